// Package faults holds one test: everything that production does to a gate and
// its sources, in turn, with a good canary and with a bad one. No fault may turn
// into a false verdict, and every one is named in the report.
package faults
