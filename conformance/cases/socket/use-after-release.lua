-- A script keeps a socket after releasing it and asks for its state: LuatOS returns nothing.
local netc = socket.create(nil, print)
socket.release(netc)
assert(select("#", socket.state(netc)) == 0)
assert(select("#", socket.state(nil)) == 0)
os.exit(0)
