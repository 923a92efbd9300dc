-- An empty script, as a user writes it: one task, which ends the run.
PROJECT, VERSION = "bench_start", "1.0.0"

sys.taskInit(function() os.exit(0) end)
sys.run()
