#include "luabind/absent.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const char *const names[] = {
    /* protocols */ "ercoap", "exftp", "ftp", "http", "httpplus", "httpsrv", "libcoap", "mqtt", "websocket",
    /* radios */ "ble", "bluetooth", "cc", "lora", "lora2", "nbiot", "sms",
    /* networks */ "ulwip",
    /* updates and clouds */ "excloud", "fota", "iotauth", "libfota", "libfota2",
    /* places */ "exgnss", "lbsLoc", "lbsLoc2", "libgnss",
    /* screens and sound */ "airui", "audio", "camera", "codec", "eink", "i2s", "lcd", "lvgl", "tp", "tts", "u8g2",
    /* pins */ "can", "dac", "hwtimer", "ioqueue", "ir", "keyboard", "onewire", "otp", "pwm", "sensor", "touchkey",
    "ws2812",
    /* storage */ "fatfs", "lf", "sdio", "sfud", "sqlite3",
    /* arithmetic */ "bit64", "fastlz", "gmssl", "iconv", "miniz", "protobuf", "rsa", "xxtea",
};
/* clang-format on */

/* The absent library whose name follows @before, up to a quote. */
static const char *name_behind(const char *message, const char *before)
{
    const char *at = strstr(message, before);
    size_t len;

    if (!at)
        return NULL;
    at += strlen(before);
    len = strcspn(at, "'");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], at, len) == 0)
            return names[i];
    }
    return NULL;
}

const char *absent_in_message(const char *message)
{
    const char *name = name_behind(message, "(global '");

    return name ? name : name_behind(message, "module '");
}
