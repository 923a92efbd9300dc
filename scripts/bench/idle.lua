-- Nothing: frames pass beside it.
PROJECT, VERSION = "bench_idle", "1.0.0"

sys.subscribe("IP_READY", function() print("BENCH ready") end)
sys.run()
