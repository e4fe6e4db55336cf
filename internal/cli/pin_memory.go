package cli

import "runtime/debug"

// spendMemory lets a check use memory that is there anyway instead of collecting
// its small heap dozens of times: up to about 64 MB for the whole process, of
// which the program itself takes a third; more only for repositories of many
// thousand files, whose findings are kept. What the user has set in GOGC or
// GOMEMLIMIT stays. It is for the rest of the process, which the check is.
func spendMemory(getenv func(string) string) (chosen func(files int)) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return func(int) {}
	}
	const heap = 40 << 20
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(heap)
	return func(files int) { debug.SetMemoryLimit(heap + max(0, int64(files-2000))*(16<<10)) }
}
