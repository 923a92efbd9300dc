-- A text of two hundred thousand bytes is the same after it was encoded and decoded again.
local text = ("\0\1\xffab,% \n"):rep(22223)

local function same(what, other)
    if other == text then
        log.info("same", what)
    else
        log.info("different", what, #other)
    end
end

same("toHex", text:toHex(" "):fromHex())
same("toBase64", text:toBase64():fromBase64())
same("toBase32", text:toBase32():fromBase32())
same("split", table.concat(text:split(",", true), ","))
same("urlEncode", (text:urlEncode(1):gsub("%%(%x%x)", string.fromHex)))
same("trim", ("\r\n \t" .. text .. "."):trim():sub(1, -2))
os.exit(0)
