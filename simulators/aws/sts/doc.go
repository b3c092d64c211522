// Package sts is the Security Token Service: who a key belongs to.
package sts
