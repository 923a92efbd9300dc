"""crypto: against Python's hashlib, hmac, zlib and base64, and against openssl(1)."""

import base64
import hashlib
import hmac
import re
import shutil
import subprocess
import zlib

import pytest

from expressions import check, check_warned

KEY = b"0123456789abcdef"
IV = b"fedcba9876543210"
AAD = b"1234567890123456"  # of every GCM of LuatOS
TEXT = b"The quick brown fox jumps over the lazy dog"


def lua(data):
    """A Lua string of these bytes."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def openssl(cipher, data, key=KEY, iv=IV, *args):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    argv = ["openssl", "enc", f"-{cipher}", "-K", key.hex(), *args]
    if not cipher.endswith(("ecb", "des-ede3")):
        argv += ["-iv", iv.hex()]
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("data", [b"", b"abc", bytes(range(256)) * 40])
def test_hashes_are_in_capital_hex(emu, data):
    """crypto.md5, sha1, sha256, sha512 and md(name, data)."""
    done = check(emu, {
        **{f'crypto.{name}({lua(data)})': hashlib.new(name, data).hexdigest().upper()
           for name in ("md5", "sha1", "sha256", "sha512")},
        **{f'crypto.md("{name}", {lua(data)})': hashlib.new(name, data).hexdigest().upper()
           for name in ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")},
    })
    check_warned(done)


@pytest.mark.parametrize("key", [b"k", b"key" * 40])
def test_hmacs(emu, key):
    """crypto.hmac_xxx(data, key) and md(name, data, key); a long key is hashed first, RFC 2104."""
    def wanted(name):
        return hmac.new(key, TEXT, name).hexdigest().upper()

    check(emu, {
        **{f'crypto.hmac_{name}({lua(TEXT)}, {lua(key)})': wanted(name)
           for name in ("md5", "sha1", "sha256", "sha512")},
        **{f'crypto.md("{name}", {lua(TEXT)}, {lua(key)})': wanted(name)
           for name in ("MD5", "SHA1", "SHA256", "SHA512")},
    })


def test_an_empty_key_gives_the_plain_hash(emu):
    """As luat_crypto_mbedtls.c has it; with a warning, for that is no HMAC."""
    done = check(emu, {'crypto.hmac_md5("abc", "")': hashlib.md5(b"abc").hexdigest().upper()})
    check_warned(done, "crypto: an empty key: a module gives the plain MD5")


def test_files_are_hashed(emu):
    """crypto.md_file(name, path, key): of /luadb and of the flash; no file: nothing."""
    data = bytes(range(256)) * 100
    done = emu.run("""
io.writeFile("/data.bin", io.readFile("/luadb/data.bin"))
log.info("luadb", crypto.md_file("SHA256", "/luadb/data.bin"))
log.info("flash", crypto.md_file("MD5", "/data.bin"))
log.info("keyed", crypto.md_file("SHA1", "/data.bin", "123456"))
log.info("missing", select("#", crypto.md_file("MD5", "/no.such")), select("#", crypto.md_file("MD9", "/data.bin")))
os.exit(0)
""", files={"data.bin": data})
    assert done.texts("luadb") == [hashlib.sha256(data).hexdigest().upper()]
    assert done.texts("flash") == [hashlib.md5(data).hexdigest().upper()]
    assert done.texts("keyed") == [hmac.new(b"123456", data, "sha1").hexdigest().upper()]
    assert done.texts("missing") == ["0 0"]


def test_a_hash_of_pieces(emu):
    """hash_init(name, key), hash_update(stream, data), hash_finish(stream), which ends it."""
    done = emu.run("""
local plain, keyed = crypto.hash_init("SHA256"), crypto.hash_init("MD5", "123456")
for i = 1, 1000 do
    crypto.hash_update(plain, "piece " .. i)
    crypto.hash_update(keyed, "piece " .. i)
end
log.info("plain", crypto.hash_finish(plain))
log.info("keyed", crypto.hash_finish(keyed))
log.info("again", select("#", crypto.hash_finish(plain)), select("#", crypto.hash_update(plain, "x")))
log.info("unknown", select("#", crypto.hash_init("MD9")))
log.info("type", type(keyed), tostring(keyed):match("^crypto: ") ~= nil)
log.info("raises", pcall(crypto.hash_update, io.stdout or {}, "x"))
crypto.hash_init("SHA1")
os.exit(0)
""", "--gc-stress")
    data = b"".join(b"piece %d" % i for i in range(1, 1001))
    assert done.texts("plain") == [hashlib.sha256(data).hexdigest().upper()]
    assert done.texts("keyed") == [hmac.new(b"123456", data, "md5").hexdigest().upper()]
    assert done.texts("again") == ["0 0"]
    assert done.texts("unknown") == ["0"]
    assert done.texts("type") == ["userdata true"]
    assert "false" in done.texts("raises")[0]
    check_warned(done, "crypto.hash_finish on a stream that is finished",
                 "crypto.hash_update on a stream that is finished")


CIPHERS = {  # LuatOS's name: openssl's, the key
    "AES-128-ECB": ("aes-128-ecb", KEY),
    "AES-192-ECB": ("aes-192-ecb", KEY + KEY[:8]),
    "AES-256-ECB": ("aes-256-ecb", KEY + KEY),
    "AES-128-CBC": ("aes-128-cbc", KEY),
    "AES-256-CBC": ("aes-256-cbc", KEY + KEY),
    "AES-128-CTR": ("aes-128-ctr", KEY),
    "AES-256-CTR": ("aes-256-ctr", KEY + KEY),
    "AES-128-CFB128": ("aes-128-cfb", KEY),
    "DES-EDE3-ECB": ("des-ede3", KEY + b"ABCDEFGH"),
    "DES-EDE3-CBC": ("des-ede3-cbc", KEY + b"ABCDEFGH"),
}


@pytest.mark.parametrize("name", CIPHERS)
@pytest.mark.parametrize("data", [b"", TEXT, TEXT[:32], TEXT * 100], ids=len)
def test_ciphers_agree_with_openssl(emu, name, data):
    """Both ways, with PKCS7, which is the default padding."""
    cipher, key = CIPHERS[name]
    iv = IV[:8] if "DES" in name else IV
    secret = openssl(cipher, data, key, iv)
    args = f'{lua(key)}, {lua(iv)}'
    done = emu.run(f"""
local data = io.readFile("/luadb/data.bin")
io.writeFile("/out", crypto.cipher_encrypt("{name}", "PKCS7", data, {args}))
log.info("secret", io.readFile("/out"):toHex())
local secret = io.readFile("/luadb/secret.bin")
log.info("text", crypto.cipher_decrypt("{name}", nil, secret, {args}) == data)
log.info("cipher", crypto.cipher("{name}", "PKCS7", data, {args}) == secret)
os.exit(0)
""", files={"data.bin": data, "secret.bin": secret})
    assert done.texts("secret")[0].split()[0:1] == ([secret.hex().upper()] if secret else ["0"])
    assert done.texts("text") == ["true"]
    assert done.texts("cipher") == ["true"]


def test_single_and_double_des(emu):
    """Whose keys are 8 and 16 bytes."""
    double = openssl("des-ede3-cbc", TEXT, KEY + KEY[:8], IV[:8])
    single = openssl("des-ede3-cbc", TEXT, KEY[:8] * 3, IV[:8])
    check(emu, {
        f'crypto.cipher_encrypt("DES-EDE-CBC", "PKCS7", {lua(TEXT)}, {lua(KEY)}, "{IV[:8].decode()}") == {lua(double)}':
            "true",
        f'crypto.cipher_encrypt("DES-CBC", "PKCS7", {lua(TEXT)}, {lua(KEY[:8])}, "{IV[:8].decode()}") == {lua(single)}':
            "true",
    })


@pytest.mark.parametrize("padding, tail", [
    ("PKCS7", b"\x05" * 5), ("ZERO", b"\0" * 5), ("ZEROS", b"\0" * 5),
    ("ONE_AND_ZEROS", b"\x80" + b"\0" * 4), ("ZEROS_AND_LEN", b"\0" * 4 + b"\x05"),
])
@pytest.mark.parametrize("cipher", ["AES-128-ECB", "AES-128-CBC"])
def test_paddings(emu, cipher, padding, tail):
    """mbedTLS's, of a message of 11 bytes; ECB leaves zeros where they are."""
    secret = openssl(cipher.lower(), TEXT[:11] + tail, KEY, IV, "-nopad")
    back = TEXT[:11] + (tail if "ECB" in cipher and padding.startswith("ZERO") and "LEN" not in padding else b"")
    check(emu, {
        f'crypto.cipher_encrypt("{cipher}", "{padding}", {lua(TEXT[:11])}, {lua(KEY)}, {lua(IV)}) == {lua(secret)}':
            "true",
        f'crypto.cipher_decrypt("{cipher}", "{padding}", {lua(secret)}, {lua(KEY)}, {lua(IV)}) == {lua(back)}':
            "true",
    })


def ghash(key, data):
    """NIST SP 800-38D 6.4."""
    def times(x, y):
        z = 0
        for i in range(127, -1, -1):
            if x >> i & 1:
                z ^= y
            y = y >> 1 ^ (0xe1 << 120 if y & 1 else 0)
        return z

    total = 0
    for at in range(0, len(data), 16):
        total = times(total ^ int.from_bytes(data[at:at + 16].ljust(16, b"\0"), "big"), key)
    return total


def gcm(data, iv, aad):
    """AES-128-GCM out of ECB and CTR. Returns ciphertext and tag."""
    key = int.from_bytes(openssl("aes-128-ecb", b"\0" * 16, KEY, IV, "-nopad"), "big")
    first = int.from_bytes(iv + b"\0\0\0\1", "big")
    secret = openssl("aes-128-ctr", data, KEY, (first + 1).to_bytes(16, "big"))
    def padded(text):
        return text + b"\0" * (-len(text) % 16)

    lengths = (len(aad) * 8).to_bytes(8, "big") + (len(secret) * 8).to_bytes(8, "big")
    mask = int.from_bytes(openssl("aes-128-ecb", first.to_bytes(16, "big"), KEY, IV, "-nopad"), "big")
    tag = ghash(key, padded(aad) + padded(secret) + lengths) ^ mask
    return secret, tag.to_bytes(16, "big")


def test_gcm_has_a_tag(emu):
    """The second result; argument 6 when decrypting. What it covers besides is always the same 16
    bytes: that is LuatOS's, and its servers know."""
    message = "Hello, LuaTools! This is a test message for GCM encryption."  # testcase/unit/crypto
    known = ("B23DD8E88600EEEE384EECC036ED5DDF51AB7CBCC73A3B53E2B63155867CDC4459C82F00070970609040B880AED39353"
             "A3F2DDD1D90E2284D26544")
    secret, tag = gcm(TEXT, IV[:12], AAD)
    wrong = bytes([tag[0] ^ 1]) + tag[1:]
    args = f'{lua(KEY)}, {lua(IV[:12])}'
    done = check(emu, {
        f'(crypto.cipher_encrypt("AES-128-GCM", "NONE", "{message}", {lua(KEY)}, "abcdef9876543210")):toHex()':
            f"{known} {len(known)}",
        f'select(2, crypto.cipher_encrypt("AES-128-GCM", "NONE", {lua(TEXT)}, {args})) == {lua(tag)}': "true",
        f'(crypto.cipher_encrypt("AES-128-GCM", "NONE", {lua(TEXT)}, {args})) == {lua(secret)}': "true",
        f'crypto.cipher_decrypt("AES-128-GCM", "NONE", {lua(secret)}, {args}, {lua(tag)})': TEXT.decode(),
        f'crypto.cipher_decrypt("AES-128-GCM", "NONE", {lua(secret)}, {args})': TEXT.decode(),
        f'crypto.cipher_decrypt("AES-128-GCM", "NONE", {lua(secret)}, {args}, {lua(wrong)})': "nothing",
    })
    assert "AES-128-GCM: the tag does not fit the data" in done.firmware("crypto")


def test_what_is_wrong_with_a_cipher_is_logged(emu):
    """Nothing for a wrong name, key or vector; of wrong data, the blocks before."""
    secret = openssl("aes-128-cbc", TEXT)
    done = check(emu, {
        'crypto.cipher_encrypt("AES-1", "PKCS7", "x", "y")': "nothing",
        'crypto.cipher_encrypt("AES-128-ECB", "PKCS7", "x", "short")': "nothing",
        'crypto.cipher_encrypt("AES-128-CBC", "PKCS7", "x", ("k"):rep(16), "short")': "nothing",
        '#crypto.cipher_encrypt("AES-128-ECB", "NONE", ("x"):rep(20), ("k"):rep(16))': "16",
        f'crypto.cipher_decrypt("AES-128-CBC", "PKCS7", {lua(secret[:32])}, {lua(KEY)}, {lua(IV)})':
            TEXT[:16].decode(),
        'crypto.cipher_encrypt("AES-128-ECB", "PKCS7", {}, "k")': "raises: string expected, got table",
        'crypto.cipher_encrypt("AES-128-ECB", "PKCS7", "x")': "raises: string expected, got no value",
    })
    assert done.firmware("crypto") == [
        "AES-1: there is no such cipher",
        "AES-128-ECB: the key has a wrong length",
        "AES-128-CBC: the initialization vector is too short",
        "AES-128-ECB: the data is not whole blocks",
        "AES-128-CBC: the padding is wrong",
    ]


def test_checksums(emu):
    """CRC-16 by name or by parameters, CRC-32, CRC-8, CRC-7, sums. Those of long texts are LuatOS's own
    test's, testcase/unit/crypto."""
    check(emu, {
        'crypto.crc16("MODBUS", "123456789")': str(0x4B37),
        'crypto.crc16("IBM", "123456789")': str(0xBB3D),
        'crypto.crc16("USER-DEFINED", "123456789", 0x8005, 0xffff, 0, 1, 0)': str(0x4B37),
        'crypto.crc16("USER-DEFINED", "123456789", 0x8005, 0xffff, 0, 1)': str(0x4B37),
        'crypto.crc16("MAXIM", "123456sdfdsfdsfdsffdsfdsfsdfs1234")': str(0xEC06),
        'crypto.crc16("DNP", "123456sdfdsfdsfdsffdsfdsfsdfs1234")': str(0x194D),
        'crypto.crc16("USER-DEFINED", "123456789", 0x1021, 0xffff)': str(0x29B1),
        'crypto.crc16("NONE", "123456789")': "0",
        'crypto.crc16("MODBUS")': "raises: string expected, got no value",
        'crypto.crc16_modbus("123456789")': str(0x4B37),
        'crypto.crc16_modbus("6789", crypto.crc16_modbus("12345"))': str(0x4B37),
        'crypto.crc32("123456789")': str(0xCBF43926),
        'crypto.crc32("123a456", 0xFFFFFFFF, 0x04C11DB7, 0xFFFFFFFF)': str(0xF1389F6D),
        'crypto.crc32("123456789", 0xFFFFFFFF, 0x1EDC6F41)': str(0xE3069283),  # CRC-32C
        'crypto.crc32("123456789", 0, 0x04C11DB7, 0)': str(zlib.crc32(b"123456789", 0xffffffff) ^ 0xffffffff),
        f'crypto.crc32({lua(TEXT)})': str(zlib.crc32(TEXT)),
        'crypto.crc8("123456789")': str(0xF4),
        'crypto.crc8("123456789", 0x31, 0xff, false)': str(0xF7),
        'crypto.crc8("123456789", 0x31, 0, true)': str(0xA1),
        'crypto.crc8("123456", 0x07, 0xff, true)': str(0x57),
        'crypto.crc7("123456789", 0x89)': str(0x75),
        'crypto.crc7("hello", 0x09, 0), crypto.crc7("hello")': f"{0x22} {0x40}",
        'crypto.checksum("OK")': str(ord("O") ^ ord("K")),
        'crypto.checksum("OK", 1)': str((ord("O") + ord("K")) & 0xff),
        'crypto.checksum(("x"):rep(300), 1)': str(300 * ord("x") & 0xff),
        'crypto.checksum("")': "0",
    })


def test_a_zbuff_is_checked_from_its_cursor(emu):
    done = emu.run("""
local buff = zbuff.create(12)
buff:write("xxx123456789")
buff:seek(3)
log.info("crc", crypto.crc16("MODBUS", buff))
os.exit(0)
""")
    assert done.texts("crc") == [str(0x4B37)]


def test_base64_is_that_of_string(emu):
    check(emu, {
        f'crypto.base64_encode({lua(TEXT)})': base64.b64encode(TEXT).decode(),
        f'crypto.base64_decode("{base64.b64encode(TEXT).decode()}")': TEXT.decode(),
        'crypto.base64_encode == string.toBase64': "true",
    })


def test_one_time_passwords(emu):
    """RFC 6238 appendix B, its last six digits; without a time, of now."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    check(emu, {
        f'crypto.totp("{secret}", 59)': "287082",
        f'crypto.totp("{secret}", 1111111109)': "81804",
        f'crypto.totp("{secret}", 20000000000)': "353130",
        'crypto.totp("asdfassdfasdfass", 1764924906)': "702358",
        f'crypto.totp("{secret}") == crypto.totp("{secret}", os.time())': "true",
        'crypto.totp()': "raises: string expected, got no value",
    }, "--time", "virtual")


def test_random_bytes_follow_the_seed(emu):
    """1 to 128 bytes, of the emulator's one source; with a warning, for they are no secrets."""
    script = """
log.info("trng", crypto.trng(20):toHex())
log.info("lengths", #crypto.trng(1), #crypto.trng(128), #crypto.trng(1000), #crypto.trng(-1), select("#", crypto.trng(0)))
os.exit(0)
"""
    one, same, other = (emu.run(script, "--seed", seed) for seed in (1, 1, 2))
    assert one.texts("trng") == same.texts("trng") != other.texts("trng")
    assert one.texts("lengths") == ["1 128 128 128 0"]
    check_warned(one, "crypto.trng: there is no true randomness")


def test_lists(emu):
    """cipher_list() and cipher_suites() are in mbedTLS's spelling."""
    done = check(emu, {
        '#crypto.cipher_list() > 10 and crypto.cipher_list()[1]': "AES-128-ECB",
        'table.concat(crypto.cipher_suites(), " ")': re.compile(r"\bTLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256\b"),
    })
    check_warned(done)
