// Package failure gives errors the two things a person at a terminal needs
// besides the cause: an exit code that scripts can rely on (design.md, "One
// definition per command") and a next step.
package failure

import (
	"errors"
	"fmt"
)

// Code is a process exit code of the contract.
type Code int

// The exit codes of every command.
const (
	OK           Code = 0 // pass
	Answer       Code = 1 // the tool's answer is no
	Usage        Code = 2 // wrong use or unreadable configuration
	Inconclusive Code = 3 // not enough evidence either way
	Service      Code = 4 // a needed service did not answer after retries
)

// Error is an error with its exit code and a hint. It wraps its cause.
type Error struct {
	Code Code
	// Err says what went wrong, with where (file:line) when there is a where.
	Err error
	// Hint says what to do next; it may be empty.
	Hint string
}

// Error returns the cause's message without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New builds an Error from a format (which may use %w).
func New(code Code, hint, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...), Hint: hint}
}

// Wrap gives err a code and a hint unless it already carries a code, in which
// case err is returned as it is: the innermost judgement is the best informed.
func Wrap(code Code, hint string, err error) error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return err
	}
	return &Error{Code: code, Err: err, Hint: hint}
}

// CodeOf returns the exit code an error asks for: OK for nil, the innermost
// Error's code, else Answer.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Code
	}
	return Answer
}

// HintOf returns the hint of the first Error in the chain, or "".
func HintOf(err error) string {
	var f *Error
	if errors.As(err, &f) {
		return f.Hint
	}
	return ""
}
