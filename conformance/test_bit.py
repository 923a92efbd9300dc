"""The library bit: bit32 under the name that published scripts use, and single bits of a number."""

from expressions import check


def test_bit_is_bit32_with_functions_for_single_bits(emu):
    """LuatOS lbitlib.c: one table, two globals; positions count from 0. A number keeps its other
    bits; 31 is a sign, as in a module's numbers of 32 bits, and beyond it there is nothing."""
    check(emu, {
        "bit == bit32": "true",
        "bit.band(0xff, 0x0f), bit.bor(1, 6), bit.lshift(1, 5), bit.rshift(0xf0, 4)": "15 7 32 15",
        "bit.bit(0), bit.bit(1), bit.bit(8), bit.bit(31)": "1 2 256 -2147483648",
        "bit.bit(2.9), bit.bit('3'), bit.bit(32), bit.bit(-1)": "4 8 0 0",
        "bit.set(0, 0, 2, 4), bit.set(5), bit.set(6.5, 0)": "21 5 7",
        "bit.set(0x100000000, 0)": "4294967297",
        "bit.clear(255, 0, 7), bit.clear(255), bit.clear(2, 0)": "126 255 2",
        "bit.clear(-1, 31)": "2147483647",
        "bit.isset(5, 0), bit.isset(5, 1), bit.isset(5, 2)": "true false true",
        "bit.isclear(5, 0), bit.isclear(5, 1), bit.isclear(-2147483648, 31)": "false true false",
        "bit.isset(-1, 31), bit.isset(-1, 32)": "true false",
        "bit.set(1e300, 1), bit.set(0/0, 1)": "2 2",
        "bit.bit()": "raises: number expected, got no value",
        "bit.set('x', 1)": "raises: number expected, got string",
        "bit.isset(1)": "raises: number expected, got no value",
    })
