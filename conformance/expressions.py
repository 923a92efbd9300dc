"""Tables of Lua expressions and what they give.

    done = check(emu, {
        'json.encode({ 1, 2 })': "[1,2]",
        'json.decode("[")': re.compile("^nil false .+"),     # searched for
        'rtc.set({})': "nothing",                            # no value at all
        'mcu.x32({})': "raises: number expected",            # a part of the message
    })
    done.warnings
"""

import re

PRELUDE = '''
local function show(i, ok, ...)
    local texts = { n = select("#", ...), ... }
    for k = 1, texts.n do
        texts[k] = tostring(texts[k])
    end
    local text = texts.n == 0 and "nothing" or table.concat(texts, " ")
    log.info("value" .. i, ok and text or "raises: " .. text)
end
'''


def script(expressions, before=""):
    lines = [f"show({i}, pcall(function() return {text} end))" for i, text in enumerate(expressions)]
    return "\n".join([PRELUDE, before, *lines, "os.exit(0)", ""])


def fits(got, wanted):
    if isinstance(wanted, re.Pattern):
        return wanted.search(got)
    if wanted.startswith("raises: "):
        return got.startswith("raises: ") and wanted[len("raises: "):] in got
    return got == wanted


def check(emu, table, *args, before=""):
    """Every expression of the table gives what stands beside it. Returns the run."""
    done = emu.run(script(table, before), *args)
    assert done.code == 0, done
    got = {text: "".join(done.texts(f"value{i}")) for i, text in enumerate(table)}
    wrong = [f"{text}\n    gave   {got[text]}\n    wanted {wanted}"
             for text, wanted in table.items() if not fits(got[text], wanted)]
    assert not wrong, "\n".join(wrong)
    return done


def check_warned(done, *parts):
    """There is a warning with each of these parts, and no other warning."""
    assert len(done.warnings) == len(parts), done.warnings
    for warning, part in zip(done.warnings, parts):
        assert part in warning
