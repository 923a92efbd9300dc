-- sysplus: the name that scripts know sys by when they use task messages; one table, two names.
return require("sys")
