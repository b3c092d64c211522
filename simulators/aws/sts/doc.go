// Package sts is the Security Token Service: who a key belongs to, and keys for a time. The keys that it gives out are in the
// simulator's state; a role's are for what the role may do.
package sts
