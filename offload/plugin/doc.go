// Package plugin is a driver in a process of its own: those of clouds are, so that the server does not carry their SDKs.
//
// The server starts the program ([New]) and speaks HTTP with it over a unix socket, one path a method of [offload.Driver], JSON both
// ways; the program ([Serve]) asks the server, over another socket, for images. It ends when its standard input does. What always
// holds: the class of an error, and whether it is transient, are the same on both sides; a program that ends is started again at the
// next call.
package plugin
