package pin_test

func hardImages() []hard {
	return []hard{
		df("37", "ARG IMG=python"+digest+"\nFROM $IMG\n", l{"pinned by digest $IMG"}, nil),
		df("37", "ARG IMG=python:3\nFROM ${IMG}\n", l{"unpinned ${IMG}"}, l{"error image/not-pinned ${IMG}"}),
		df("37", "FROM ${IMG:-python"+digest+"}\n", l{"pinned by digest ${IMG:-python" + digest + "}"}, nil),
		df("37", "ARG IMG=1\nFROM ${IMG:+python:3}\n", l{"unpinned ${IMG:+python:3}"}, l{"error image/not-pinned ${IMG:+python:3}"}),
		df("37", "ARG IMG\nFROM $IMG\n", l{"unpinned $IMG"}, l{"error image/build-arg $IMG"}),
		df("37", "FROM python@sha256:${HASH}\n", l{"unpinned python@sha256:${HASH}"}, l{"error image/build-arg python@sha256:${HASH}"}),
		df("38", "FROM a"+digest+"\nARG IMG=b"+digest+"\nFROM $IMG\n", l{"pinned by digest a" + digest, "unpinned $IMG"}, l{"error image/build-arg $IMG"}),
		df("38", "FROM --platform=$BUILDPLATFORM python"+digest+"\n", l{"pinned by digest python" + digest}, nil),
		df("39", "FROM a"+digest+" AS Base\nFROM base\nCOPY --from=0 /a /b\nCOPY --from=BASE /a /b\n", l{"pinned by digest a" + digest}, nil),
		df("39", "FROM a"+digest+" AS python\nFROM python\nFROM scratch\n", l{"pinned by digest a" + digest}, nil),
		df("40", "ARG V=8\nFROM a"+digest+" AS sdk-8\nFROM sdk-${V}\n", l{"pinned by digest a" + digest}, nil),
		df("41", "FROM scratch\nCOPY --from=ghcr.example/astral/uv:latest /uv /\nRUN --mount=type=bind,from=img,target=/x true\n", l{"unpinned ghcr.example/astral/uv:latest", "unpinned img"}, l{
			"error image/not-pinned ghcr.example/astral/uv:latest", "error image/not-pinned img"}),
		df("41", "ARG T=1\nFROM scratch\nCOPY --from=uv:$T /uv /\n", l{"unpinned uv:$T"}, l{"error image/invalid uv:$T"}),
		df("42", "# syntax=docker/dockerfile:1\nFROM scratch\n", l{"unpinned docker/dockerfile:1"}, l{"error docker/syntax docker/dockerfile:1"}),
		df("42", "// syntax=docker/dockerfile:1\nFROM scratch\n", l{"unpinned docker/dockerfile:1"}, l{"error docker/syntax docker/dockerfile:1"}),
		df("42", "# syntax=docker/dockerfile:1"+digest+"\nFROM scratch\n", l{"pinned by digest docker/dockerfile:1" + digest}, nil),
		df("42", "# a comment\n# syntax=docker/dockerfile:1\nFROM scratch\n", nil, nil),
		df("43", "FROM scratch\nADD https://x.example/a.tgz /\n", l{"unpinned https://x.example/a.tgz"}, l{"error docker/add-url https://x.example/a.tgz"}),
		df("43", "FROM scratch\nADD --checksum=sha256:"+hex64+" https://x.example/a.tgz /\n", l{"pinned by checksum https://x.example/a.tgz"}, nil),
		df("43", "FROM scratch\nADD --checksum=sha256:00 https://x.example/a.tgz /\n", l{"unpinned https://x.example/a.tgz"}, l{"error docker/add-url https://x.example/a.tgz"}),
		df("43", "FROM scratch\nADD https://x.example/r.git#main /\n", l{"unpinned https://x.example/r.git#main"}, l{"error docker/add-git https://x.example/r.git#main"}),
		df("43", "FROM scratch\nADD https://x.example/r.git#"+sha40+" /\n", l{"pinned by commit https://x.example/r.git#" + sha40}, nil),
		df("44", "# escape=`\nFROM `\n  a:1\nRUN <<EOF\nFROM b:1\nEOF\nSHELL [\"powershell\"]\nRUN [\"x\", \"FROM\"]\nONBUILD COPY --from=c:1 /a /b\n", l{"unpinned a:1", "unpinned c:1"}, l{
			"error image/not-pinned a:1", "error image/not-pinned c:1"}),
		df("45", "FROM a@sha256:B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C\n", l{"unpinned a@sha256:B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C"}, l{
			"error image/bad-digest a@sha256:B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C"}),
		df("45", "FROM a@sha256:b5bb\n", l{"unpinned a@sha256:b5bb"}, l{"error image/bad-digest a@sha256:b5bb"}),
		df("45", "FROM a:1@"+"sha512:"+hex64+hex64+"\n", l{"pinned by digest a:1@sha512:" + hex64 + hex64}, nil),
		df("45", "FROM a@anything\n", l{"unpinned a@anything"}, l{"error image/bad-digest a@anything"}),
		df("45", "FROM localhost:5000/img\n", l{"unpinned localhost:5000/img"}, l{"error image/not-pinned localhost:5000/img"}),
		df("45", "FROM localhost:5000/img:1"+digest+"\n", l{"pinned by digest localhost:5000/img:1" + digest}, nil),
		df("45", "FROM Python:3\n", l{"unpinned Python:3"}, l{"error image/invalid Python:3"}),
		{"46", "Dockerfile.j2", "FROM {{ image }}\n", nil, l{"warning docker/template"}},
		df("46", "FROM scratch\nINSTALL it\nOTHER\n", nil, l{"error docker/unparsable INSTALL it"}),
		df("46", "FROM a:1\nENV broken\nCOPY --from=b:1 /a /b\n", l{"unpinned a:1", "unpinned b:1"}, l{
			"error image/not-pinned a:1", "error docker/unparsable ENV broken", "error image/not-pinned b:1"}),
	}
}
