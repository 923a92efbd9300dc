"""airlink: scripts for two chips (Air8101 with Air780EPM, Air1601) get as far as their network."""


def test_the_published_4g_by_airlink_comes_up(tasks):
    """module/Air1601, module/Air8101 netdrv_4g.lua: exnetif with airlink_4G, one network."""
    done = tasks.run("""
        local exnetif = require "exnetif"
        show("set", exnetif.set_priority_order{ { airlink_4G = {
            auto_socket_switch = false,
            airlink_type = airlink.MODE_UART,
            airlink_uart_id = 3,
            airlink_uart_baud = 2000000,
            airlink_adapter = socket.LWIP_USER0 } } })
        show("dft", socket.dft() == socket.LWIP_USER0)
        while not socket.adapter(socket.dft()) do sys.waitUntil("IP_READY", 1000) end
    """, "--bind", "LWIP_USER0=host")
    assert done.texts("set") == ["true"] and done.texts("dft") == ["true"]


def test_a_board_without_that_adapter_says_so(tasks):
    """False, and a warning that names it."""
    done = tasks.run("""
        show("set", require("exnetif").set_priority_order{ { airlink_4G = {
            airlink_type = airlink.MODE_SPI_MASTER } } })
    """)
    assert done.texts("set") == ["false"]
    assert any("this board has no adapter 15" in warning for warning in done.warnings)


def test_the_bridge_of_two_chips_by_hand(tasks):
    """Air1601: airlink.init, config, start; netdrv.setup(id, netdrv.WHALE); netdrv.link."""
    done = tasks.run("""
        show("start", airlink.init(), airlink.config(airlink.CONF_UART_ID, 3),
             airlink.start(airlink.MODE_UART), airlink.ready())
        show("setup", netdrv.setup(socket.LWIP_USER0, netdrv.WHALE))
        while not netdrv.ready(socket.LWIP_USER0) do sys.waitUntil("IP_READY", 1000) end
        show("link", netdrv.link(socket.LWIP_USER0))
        show("modes", airlink.MODE_SPI_SLAVE, airlink.MODE_SPI_MASTER, airlink.MODE_UART)
        show("rest", airlink.statistics())
    """, "--bind", "LWIP_USER0=host")
    assert done.texts("start") == ["true true true true"] and done.texts("setup") == ["true"]
    assert done.texts("link") == ["true"] and done.texts("modes") == ["0 1 2"]
    assert done.texts("rest") == ["nothing"]
    assert sum("no second chip" in warning for warning in done.warnings) == 1
