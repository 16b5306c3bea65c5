package main

// Flags and commands of other programs that Forebay does not have. The answer says what does the same here. The keys
// are spelled as in those programs, without dashes. They come from nginx, HAProxy and Envoy, and from what newcomers
// try.

// absentFlag returns what to do instead of the flag name; "" where there is nothing to say.
func absentFlag(name string) string {
	const (
		test       = "forebay check tests a command line, as nginx -t does"
		file       = "there is no configuration file; each setting is a flag, or a variable: forebay help all lists them"
		metrics    = "there are no metrics to fetch; count in the access log instead, which has a line for each session (--log json)"
		pid        = "there is no PID file; systemd knows the PID, and so does the shell that started it ($!)"
		foreground = "forebay stays in the foreground; let systemd start it, or write & behind the command line"
		user       = "forebay keeps the user that started it; let systemd start it as another (User=)"
		source     = "the same client gets the same backend with --policy source"
	)
	return map[string]string{
		"t": test, "test": test, "dry-run": test, "validate": test, "configtest": test,
		"c": file, "f": file, "conf": file, "config": file, "config-file": file, "configuration": file, "file": file,
		"s": signals, "signal": signals, "reload": signals, "stop": signals, "quit": signals, "reopen": signals,
		"metrics": metrics, "prometheus": metrics, "stats": metrics,
		"status": metrics, "admin": metrics, "statsd": metrics,
		"p": pid, "pid": pid, "pidfile": pid, "pid-file": pid,
		"d": foreground, "D": foreground, "daemon": foreground,
		"daemonize": foreground, "background": foreground, "detach": foreground,
		"u": user, "user": user, "group": user, "chroot": user,
		"sticky": source, "ip-hash": source, "ip_hash": source,
		"affinity": source, "session-affinity": source, "persist": source,
	}[name]
}

const signals = "signals do that: kill -HUP PID reads its files again and opens the log anew, kill -USR1 PID does the latter alone, " +
	"kill -TERM PID drains and ends it"

// absentCommand returns what to do instead of the command name; "" where there is nothing to say.
func absentCommand(name string) string {
	const (
		status = "systemctl status forebay tells whether the service runs, and its log tells what it does"
		start  = "forebay BACKEND ... balances at once, and systemctl start forebay starts the service"
		stop   = "kill -TERM PID drains a running one and ends it; systemctl stop forebay does so to the service"
		again  = "systemctl restart forebay restarts the service; else stop it with kill -TERM PID, and start it anew"
		reload = "kill -HUP PID, or systemctl reload forebay, reads its files again and opens the log anew; new flags need a restart"
		reopen = "kill -USR1 PID opens the log anew; kill -HUP PID, or systemctl reload forebay, reads its files again, too"
		test   = "forebay check tests a command line"
	)
	return map[string]string{
		"status": status, "stats": status, "metrics": status, "info": status, "ps": status, "top": status,
		"start": start, "run": start, "up": start, "proxy": start, "balance": start, "server": start, "daemon": start,
		"stop": stop, "quit": stop, "kill": stop, "shutdown": stop, "down": stop, "drain": stop,
		"restart": again, "upgrade": again,
		"reload": reload, "reopen": reopen, "rotate": reopen,
		"test": test, "configtest": test, "validate": test, "config": test, "verify": test,
	}[name]
}
