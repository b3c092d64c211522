// Package machine is where the tasks of a simulated cloud really run: our own engine with the backend local as its only place, so
// that each task is a native container of this machine with the image's root, its own network, limits, output and exit code.
//
// A task reaches what listens on this machine's loopback interface at its gateway, as a task of a cloud reaches the internet.
//
// What always holds: tasks go on when the simulator is killed, and the next one finds them; nothing but what a simulator started is
// touched.
package machine
