#include "emu/yaml.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "emu/util.h"

struct yaml {
    char *name;
    yaml_document_t document;
    const char *path[YAML_DEPTH_MAX]; /* keys above what is being taken */
    size_t depth;
    char problem[YAML_WHY_MAX];
};

/* ---- opening -------------------------------------------------------------------------------------- */

static yaml_node_t *node_at(const struct yaml *yaml, int node)
{
    yaml_node_t *start = yaml->document.nodes.start;

    assert(node >= 1);
    assert(node <= yaml->document.nodes.top - start);
    return start + node - 1;
}

/* Texts are handed out as C strings. */
static bool has_nul(const struct yaml *yaml, int *where)
{
    int count = (int)(yaml->document.nodes.top - yaml->document.nodes.start);

    for (*where = 1; *where <= count; (*where)++) {
        const yaml_node_t *node = node_at(yaml, *where);

        if (node->type == YAML_SCALAR_NODE &&
            memchr(node->data.scalar.value, 0, node->data.scalar.length))
            return true;
    }
    return false;
}

static const char *fail_parse(const char *name, const yaml_parser_t *parser, char why[YAML_WHY_MAX])
{
    (void)snprintf(why, YAML_WHY_MAX, "%.200s:%zu: this is not YAML: %.200s", name,
                   parser->problem_mark.line + 1, parser->problem ? parser->problem : "?");
    return why;
}

static const char *check_end(const char *name, yaml_parser_t *parser, char why[YAML_WHY_MAX])
{
    yaml_document_t second;
    const char *wrong = NULL;

    if (!yaml_parser_load(parser, &second))
        return fail_parse(name, parser, why);
    if (yaml_document_get_root_node(&second)) {
        (void)snprintf(why, YAML_WHY_MAX, "%.200s:%zu: one document is all that is read", name,
                       second.start_mark.line + 1);
        wrong = why;
    }
    yaml_document_delete(&second);
    return wrong;
}

static const char *parse(struct yaml *yaml, yaml_parser_t *parser, char why[YAML_WHY_MAX])
{
    const char *wrong;
    int where;

    if (!yaml_parser_load(parser, &yaml->document))
        return fail_parse(yaml->name, parser, why);
    wrong =
        yaml_document_get_root_node(&yaml->document) ? check_end(yaml->name, parser, why) : NULL;
    if (!wrong && has_nul(yaml, &where)) {
        (void)snprintf(why, YAML_WHY_MAX, "%.200s:%u: a text holds a NUL byte", yaml->name,
                       yaml_line(yaml, where));
        wrong = why;
    }
    if (wrong)
        yaml_document_delete(&yaml->document);
    return wrong;
}

const char *yaml_open(struct yaml **out, const char *name, const char *text, size_t len,
                      char why[YAML_WHY_MAX])
{
    struct yaml *yaml = xcalloc(1, sizeof(*yaml));
    yaml_parser_t parser;
    const char *wrong;

    if (!yaml_parser_initialize(&parser)) {
        free(yaml);
        (void)snprintf(why, YAML_WHY_MAX, "%.200s: there is no memory to read it", name);
        return why;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    yaml->name = xstrdup(name);
    wrong = parse(yaml, &parser, why);
    yaml_parser_delete(&parser);
    if (wrong) {
        free(yaml->name);
        free(yaml);
        return wrong;
    }
    if (!yaml_document_get_root_node(&yaml->document))
        (void)yaml_document_add_scalar(&yaml->document, NULL, (const unsigned char *)"", 0,
                                       YAML_PLAIN_SCALAR_STYLE);
    *out = yaml;
    return NULL;
}

/* Bytes of a file in @text, YAML_FILE_MAX + 1 at most; -errno. */
static ssize_t read_file(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us */
    struct stat st;
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 1;
    while (n > 0 && len <= YAML_FILE_MAX) {
        n = read(fd, text + len, YAML_FILE_MAX + 1 - len);
        if (n < 0)
            n = -errno;
        if (n > 0)
            len += (size_t)n;
    }
    close(fd);
    return n < 0 ? n : (ssize_t)len;
}

const char *yaml_read_file(const char *path, char **out, size_t *len, char why[YAML_WHY_MAX])
{
    char *text = xcalloc(1, YAML_FILE_MAX + 1);
    ssize_t n = read_file(path, text);

    if (n >= 0 && n <= YAML_FILE_MAX) {
        *out = text;
        *len = (size_t)n;
        return NULL;
    }
    free(text);
    if (n < 0) {
        (void)snprintf(why, YAML_WHY_MAX, "%.200s can't be read: %s", path, strerror((int)-n));
    } else {
        (void)snprintf(why, YAML_WHY_MAX, "%.200s is longer than %d bytes", path, YAML_FILE_MAX);
    }
    return why;
}

void yaml_close(struct yaml *yaml)
{
    yaml_document_delete(&yaml->document);
    free(yaml->name);
    free(yaml);
}

/* ---- what is wrong -------------------------------------------------------------------------------- */

const char *yaml_problem(const struct yaml *yaml)
{
    return *yaml->problem ? yaml->problem : NULL;
}

int yaml_wrong(struct yaml *yaml, int node, const char *format, ...)
{
    size_t len, cap = sizeof(yaml->problem);
    va_list args;

    if (*yaml->problem)
        return -EINVAL;
    len = (size_t)snprintf(yaml->problem, cap, "%.200s:%u: ", yaml->name, yaml_line(yaml, node));
    for (size_t i = 0; i < yaml->depth && len < cap; i++) {
        len += (size_t)snprintf(yaml->problem + len, cap - len, "%.40s%s", yaml->path[i],
                                i + 1 < yaml->depth ? "." : ": ");
    }
    if (len >= cap)
        return -EINVAL;
    va_start(args, format);
    (void)vsnprintf(yaml->problem + len, cap - len, format, args);
    va_end(args);
    return -EINVAL;
}

/* ---- nodes ---------------------------------------------------------------------------------------- */

int yaml_root(const struct yaml *yaml)
{
    (void)yaml;
    return 1;
}

enum yaml_kind yaml_kind(const struct yaml *yaml, int node)
{
    switch (node_at(yaml, node)->type) {
    case YAML_SEQUENCE_NODE:
        return YAML_KIND_LIST;
    case YAML_MAPPING_NODE:
        return YAML_KIND_MAP;
    case YAML_SCALAR_NODE:
    case YAML_NO_NODE:
        break;
    }
    return YAML_KIND_TEXT;
}

unsigned yaml_line(const struct yaml *yaml, int node)
{
    return (unsigned)node_at(yaml, node)->start_mark.line + 1;
}

const char *yaml_text(const struct yaml *yaml, int node)
{
    assert(yaml_kind(yaml, node) == YAML_KIND_TEXT);
    return (const char *)node_at(yaml, node)->data.scalar.value;
}

/* ---- taking --------------------------------------------------------------------------------------- */

static int enter(struct yaml *yaml, int node, const char *key)
{
    if (yaml->depth == YAML_DEPTH_MAX)
        return yaml_wrong(yaml, node, "it is nested too deeply");
    yaml->path[yaml->depth++] = key;
    return 0;
}

/* Does the key of @pair come again before it? */
static bool is_repeated(const struct yaml *yaml, const yaml_node_t *map,
                        const yaml_node_pair_t *pair)
{
    const char *key = yaml_text(yaml, pair->key);

    for (const yaml_node_pair_t *at = map->data.mapping.pairs.start; at < pair; at++) {
        if (yaml_kind(yaml, at->key) == YAML_KIND_TEXT &&
            strcmp(yaml_text(yaml, at->key), key) == 0)
            return true;
    }
    return false;
}

int yaml_take_pairs(struct yaml *yaml, int node,
                    int (*take)(struct yaml *yaml, int key, int value, void *ctx), void *ctx)
{
    const yaml_node_t *map = node_at(yaml, node);
    int rc = 0;

    if (map->type != YAML_MAPPING_NODE)
        return yaml_wrong(yaml, node, "keys and values are wanted here (KEY: VALUE)");
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top && rc == 0; pair++) {
        if (yaml_kind(yaml, pair->key) != YAML_KIND_TEXT)
            return yaml_wrong(yaml, pair->key, "a key is a name");
        rc = enter(yaml, node, yaml_text(yaml, pair->key));
        if (rc == 0 && is_repeated(yaml, map, pair))
            rc = yaml_wrong(yaml, pair->key, "this key is here twice");
        if (rc == 0)
            rc = take(yaml, pair->key, pair->value, ctx);
        yaml->depth--;
    }
    return rc;
}

/* A map by a table. */
struct table {
    const struct yaml_key *keys;
    size_t count;
    void *ctx;
};

static int wrong_key(struct yaml *yaml, int node, const struct table *table)
{
    char list[YAML_WHY_MAX / 2] = "";
    size_t len = 0;

    for (size_t i = 0; i < table->count && len < sizeof(list); i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
                                table->keys[i].name);
    return yaml_wrong(yaml, node, "there is no such key; there are %s", list);
}

static int take_by_table(struct yaml *yaml, int key, int value, void *ctx)
{
    const struct table *table = ctx;

    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->keys[i].name, yaml_text(yaml, key)) == 0)
            return table->keys[i].take(yaml, value, table->ctx);
    }
    return wrong_key(yaml, key, table);
}

int yaml_take_map(struct yaml *yaml, int node, const struct yaml_key keys[], size_t count,
                  void *ctx)
{
    struct table table = { keys, count, ctx };

    return yaml_take_pairs(yaml, node, take_by_table, &table);
}

int yaml_take_list(struct yaml *yaml, int node, int (*take)(struct yaml *yaml, int node, void *ctx),
                   void *ctx)
{
    const yaml_node_t *list = node_at(yaml, node);
    int rc = 0;

    if (list->type != YAML_SEQUENCE_NODE)
        return yaml_wrong(yaml, node, "a list is wanted here (- ITEM)");
    for (const int *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top && rc == 0; item++)
        rc = take(yaml, *item, ctx);
    return rc;
}

/* Its text, NULL after saying that it is none. */
static const char *want_text(struct yaml *yaml, int node)
{
    if (yaml_kind(yaml, node) == YAML_KIND_TEXT)
        return yaml_text(yaml, node);
    (void)yaml_wrong(yaml, node, "a single value is wanted here");
    return NULL;
}

int yaml_take_text(struct yaml *yaml, int node, char text[], size_t cap)
{
    const char *from = want_text(yaml, node);

    if (!from)
        return -EINVAL;
    if (strlen(from) >= cap)
        return yaml_wrong(yaml, node, "it is longer than %zu bytes", cap - 1);
    memcpy(text, from, strlen(from) + 1);
    return 0;
}

int yaml_take_bool(struct yaml *yaml, int node, bool *value)
{
    const char *text = want_text(yaml, node);

    if (!text)
        return -EINVAL;
    *value = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    if (!*value && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
        return yaml_wrong(yaml, node, "it takes yes or no");
    return 0;
}

int yaml_take_number(struct yaml *yaml, int node, int64_t min, int64_t max, int64_t *value)
{
    const char *text = want_text(yaml, node);
    long long number;
    char *end;

    if (!text)
        return -EINVAL;
    errno = 0;
    number = strtoll(text, &end, 0);
    if (end == text || *end || errno || number < min || number > max)
        return yaml_wrong(yaml, node, "it takes a number from %" PRId64 " to %" PRId64, min, max);
    *value = number;
    return 0;
}

int yaml_take_duration_us(struct yaml *yaml, int node, uint64_t max_us, uint64_t *value)
{
    static const struct {
        const char *name;
        double us;
    } units[] = { { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "min", 60e6 } };
    const char *text = want_text(yaml, node);
    size_t digits; /* no sign and no exponent */
    double number;
    char *end;

    if (!text)
        return -EINVAL;
    digits = strspn(text, "0123456789.");
    number = strtod(text, &end);
    for (int i = 0; digits && end == text + digits && i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].name) == 0 && number * units[i].us <= (double)max_us) {
            *value = (uint64_t)(number * units[i].us + 0.5);
            return 0;
        }
    }
    return yaml_wrong(yaml, node, "it takes a time as 1.5s, 20ms, 10us or 2min, up to %" PRIu64 "s",
                      max_us / 1000000);
}
