package ledger

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
)

// Memory is a Store for tests and dry runs.
type Memory struct {
	mu   sync.Mutex
	logs map[string][]Record // oldest first
}

var _ Store = (*Memory)(nil)

// Head implements Store.
func (m *Memory) Head(_ context.Context, service, env string) (Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.logs[service+"/"+env]
	if len(log) == 0 {
		return Record{}, false, nil
	}
	return log[len(log)-1], true, nil
}

// Append implements Store.
func (m *Memory) Append(_ context.Context, service, env, parent string, e Entry) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := service + "/" + env
	head := ""
	if log := m.logs[key]; len(log) > 0 {
		head = log[len(log)-1].OID
	}
	if head != parent {
		return Record{}, ErrMoved
	}
	if m.logs == nil {
		m.logs = map[string][]Record{}
	}
	e.V = 1
	rec := Record{OID: fmt.Sprintf("%s@%d", key, len(m.logs[key])+1), Entry: e}
	m.logs[key] = append(m.logs[key], rec)
	return rec, nil
}

// Log implements Store.
func (m *Memory) Log(_ context.Context, service, env string, limit int) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Record
	log := m.logs[service+"/"+env]
	for i := len(log) - 1; i >= 0 && (limit == 0 || len(out) < limit); i-- {
		out = append(out, log[i])
	}
	return out, nil
}

// Environments implements Store.
func (m *Memory) Environments(_ context.Context, service string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for k := range m.logs {
		if env, ok := strings.CutPrefix(k, service+"/"); ok {
			out = append(out, env)
		}
	}
	sort.Strings(out)
	return out, nil
}
