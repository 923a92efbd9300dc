/*
 * doctor: what this machine allows, why not more, and the commands that would change it; `luatos-emu
 * doctor`. Tiers and most else are found out by doing it, not by reading settings; settings only help
 * to choose the advice. Nothing is changed, and nothing is run as root.
 */
#pragma once

/*
 * @words: none for a table, "--json" for one JSON object, "--fix" for the commands alone; and
 * "--probe", for reexec.h: can this very process make a network? An enum exit_code;
 * EXIT_CODE_ENVIRONMENT: no network of one's own can be had.
 */
int doctor_run(int words_count, char *const words[]);
