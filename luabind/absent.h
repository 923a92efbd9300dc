/*
 * absent: the libraries of a module that are not here, by name, so that a script that needs one is
 * told more than Lua's "attempt to index a nil value". README.md says of each what it is for.
 */
#pragma once

/* The absent library that an error message is about; NULL: none. */
const char *absent_in_message(const char *message);
