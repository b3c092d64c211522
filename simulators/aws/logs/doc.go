// Package logs is CloudWatch Logs: groups, streams and events, as programs put them and as the log driver of tasks writes them.
//
// Streams are in memory with all their events, each written to the state first. Start reading in logs.go for what the service can
// do, in read.go for the tokens of pages, in driver.go for what tasks write. What always holds: an event that was told about
// survives a kill, and a line of a task is there once, however often the simulator is started again. Patterns of filters are terms;
// those for JSON, columns and regular expressions are refused.
package logs
