package builtins

// networkCommands are the commands that use the network.
var networkCommands = map[string]Func{"curl": curl, "nc": nc, "netcat": nc, "wget": wget}
