// Package wire is how the services of AWS speak: signed requests, operations, answers and errors of the protocols awsJson 1.1,
// restJson1, query and ec2, over the structures of the SDK.
//
// A service is a [Service]: a name, a protocol and a table of operations, each made by [Op] of a function over the SDK's own
// Input and Output. Start reading in service.go. What always holds: an operation that is not in the table gets the service's own
// error, never a success; a request that is not signed by a known key reaches no operation.
package wire
