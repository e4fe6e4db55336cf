# Says, as one JSON object, where this interpreter and its parts are. It is run
# isolated (-I -S), so that nothing of the user's environment takes part.
import json, os, sys, sysconfig
v = sysconfig.get_config_vars()
print(json.dumps({
    "platform": sys.platform,
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % sys.version_info[:3] + {"alpha": "a%d", "beta": "b%d", "candidate": "rc%d"}.get(sys.version_info[3], "%.0s") % sys.version_info[4],
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "stdlib": sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}),
    "dynload": [p for p in sys.path if os.path.basename(p) == "lib-dynload"],
    "machine": os.uname().machine,
}))
