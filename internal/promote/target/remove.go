package target

import "context"

// Remove stops and removes everything that runs for an environment. No promotion
// does that; it is for taking an environment down.
func (c *Container) Remove(ctx context.Context, service, environment string) error {
	all, err := c.list(ctx, service, environment)
	if err != nil {
		return err
	}
	return c.stop(ctx, all, func(running) bool { return true })
}
