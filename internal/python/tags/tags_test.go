package tags

import (
	"slices"
	"testing"
)

func TestSupportedOrder(t *testing.T) {
	got, err := Supported(Target{Python: [2]int{3, 11}, Arch: "amd64", Libc: "glibc", LibcVersion: [2]int{2, 36}})
	if err != nil {
		t.Fatal(err)
	}
	i := Index(got)
	order := []string{
		"cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64",
		"cp311-cp311-manylinux_2_5_x86_64", "cp311-cp311-manylinux1_x86_64", "cp311-abi3-linux_x86_64", "cp311-none-linux_x86_64", "cp310-abi3-linux_x86_64",
		"cp32-abi3-manylinux1_x86_64", "py311-none-linux_x86_64", "py3-none-manylinux2014_x86_64", "py310-none-linux_x86_64",
		"py30-none-manylinux1_x86_64", "cp311-none-any", "py311-none-any", "py3-none-any", "py310-none-any", "py30-none-any",
	}
	for n := 1; n < len(order); n++ {
		a, ok1 := i[order[n-1]]
		b, ok2 := i[order[n]]
		if !ok1 || !ok2 || a >= b {
			t.Errorf("%s (%d, %v) must come before %s (%d, %v)", order[n-1], a, ok1, order[n], b, ok2)
		}
	}
	for _, no := range []string{"cp312-cp312-linux_x86_64", "cp311-cp311-manylinux_2_37_x86_64", "cp311-cp311-manylinux1_aarch64", "cp311-abi3-any"} {
		if slices.Contains(got, no) {
			t.Errorf("%s must not be supported", no)
		}
	}
	musl, err := Supported(Target{Python: [2]int{3, 13}, Arch: "arm64", Libc: "musl", LibcVersion: [2]int{1, 2}})
	if err != nil || !slices.Contains(musl, "cp313-cp313-musllinux_1_2_aarch64") || slices.Contains(musl, "cp313-cp313-manylinux2014_aarch64") {
		t.Errorf("musl tags are wrong: %v", err)
	}
	if _, err := Supported(Target{Python: [2]int{3, 11}, Arch: "riscv64", Libc: "glibc", LibcVersion: [2]int{2, 36}}); err == nil {
		t.Error("riscv64 was accepted")
	}
}
