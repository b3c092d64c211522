#!/bin/sh
# Runs the shell scripts of a Debian root, in the sandbox or in the real shells, and leaves in /results what each of them did.
# Written so that nothing but the scripts depends on who runs them.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TZ=UTC
unset SHELL TERM HOSTNAME
mkdir -p /results /work
umask 022
run() { # NAME COMMAND… : what the command prints, and its exit code
	rm -rf /work/d
	mkdir /work/d
	cd /work/d || exit
	name=$1
	shift
	timeout 20 "$@" </dev/null >"/results/$name.out" 2>"/results/$name.err"
	echo $? >"/results/$name.code"
}

n=0
while read -r path; do
	n=$((n + 1))
	read -r line <"$path"
	case $line in
	*bash*) shell=bash ;;
	*) shell=dash ;;
	esac
	run $n.n $shell -n "$path"
	case $path in
	/bin/* | /sbin/* | /usr/bin/* | /usr/sbin/* | /etc/init.d/*)
		run $n.help "$path" --help
		run $n.version "$path" --version
		case $path in
		*/bashbug | */gawkbug) ;; # they ask again and again for ever
		*) run $n.none "$path" ;;
		esac
		;;
	/var/lib/dpkg/info/*.preinst)
		run $n.install "$path" install
		run $n.upgrade "$path" upgrade 1.0
		;;
	/var/lib/dpkg/info/*.postinst)
		run $n.configure "$path" configure
		run $n.upgrade "$path" configure 1.0
		;;
	/var/lib/dpkg/info/*.prerm)
		run $n.remove "$path" remove
		run $n.upgrade "$path" upgrade 9.0
		;;
	/var/lib/dpkg/info/*.postrm)
		run $n.remove "$path" remove
		run $n.purge "$path" purge
		;;
	esac
done </scripts

rm -rf /work/d
cd /
for dir in etc root usr var work; do
	find /$dir -type f -printf '%p %m %u %g %s\n'
	find /$dir -type d -printf '%p %m %u %g\n'
	find /$dir -type l -printf '%p %l\n'
done | sort >/results/tree

run bats sh -c 'cd /bats && for o in "" --tap "-p" "--count" "-x -f nested" "-f special"; do bats $o suite.bats; echo "$o: $?"; done'
run configure sh -c 'cd /source && bash ./configure'
