# cmake -DOUT=corelib_files.c "-DFILES=a.lua;b.lua" -P corelib.cmake: Lua files as C arrays, see
# luabind/corelib.h.
set(rows "")
set(text "#include \"luabind/corelib.h\"\n\n")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND text "static const unsigned char text_${name}[] = { ${bytes} 0 };\n")
  string(APPEND rows
    "    { \"${name}\", (const char *)text_${name}, sizeof(text_${name}) - 1 },\n")
endforeach()
string(APPEND text "\nconst struct corelib_file corelib_files[] = {\n${rows}    { 0 },\n};\n")
file(WRITE "${OUT}" "${text}")
