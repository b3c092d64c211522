// Package netdev makes the network device of a native container: eth0, which a program serves instead of a card.
//
// It does not carry anything: that is package agent/netstack, which has the device's descriptor. Start reading at Setup.
// What always holds: the device is in the network namespace of the calling thread, and nothing of the host's is touched.
package netdev
