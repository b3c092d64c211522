package runtimetest

import "testing"

func TestFake(t *testing.T) {
	Run(t, func(t *testing.T, _ string) Machine { return NewFake(t) })
}
