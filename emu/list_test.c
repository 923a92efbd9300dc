#include "emu/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "emu/util.h"

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

static struct item *item_of(struct list *node)
{
    return container_of(node, struct item, link);
}

static void append_numbers(struct list *head, struct item *items, int count)
{
    list_init(head);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        list_append(head, &items[i].link);
    }
}

static void a_new_list_is_empty(void **state)
{
    struct list head;
    int nodes = 0;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_for_each(node, &head)
        nodes++;
    assert_int_equal(nodes, 0);
}

static void nodes_come_in_the_order_they_were_appended(void **state)
{
    struct item items[3];
    struct list head;
    int expected = 0;

    (void)state;
    append_numbers(&head, items, 3);
    list_for_each(node, &head)
        assert_int_equal(item_of(node)->number, expected++);
    assert_int_equal(expected, 3);
    assert_ptr_equal(head.prev, &items[2].link);
}

static void a_node_can_be_removed_twice_and_appended_again(void **state)
{
    struct item items[2];
    struct list head;

    (void)state;
    append_numbers(&head, items, 2);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    assert_ptr_equal(head.next, &items[1].link);
    assert_ptr_equal(head.prev, &items[1].link);
    assert_true(list_is_empty(&items[0].link));
    list_append(&head, &items[0].link);
    assert_ptr_equal(head.prev, &items[0].link);
}

static void the_present_node_may_be_freed_while_the_list_is_walked(void **state)
{
    struct list head;
    int freed = 0;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 3; i++) {
        struct item *item = xcalloc(1, sizeof(*item));

        list_append(&head, &item->link);
    }
    list_for_each_safe(node, &head) {
        list_remove(node);
        free(item_of(node));
        freed++;
    }
    assert_int_equal(freed, 3);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(nodes_come_in_the_order_they_were_appended),
        cmocka_unit_test(a_node_can_be_removed_twice_and_appended_again),
        cmocka_unit_test(the_present_node_may_be_freed_while_the_list_is_walked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
