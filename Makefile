# make help says what there is. Everything is set on the command line, as in
# make install PREFIX=/usr DESTDIR=/tmp/package

PREFIX = /usr/local
DESTDIR =
SYSCONFDIR = /etc
BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
DATADIR = $(PREFIX)/share
PYTHON = /usr/bin/python3
# The systemd that the files are for, where it is not that of this machine: 254 or newer gets what 252 warns of.
SYSTEMD := $(shell systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')

PACKAGE = $(LIBDIR)/calcd
# Where systemd, man and the shells look: in /usr and /usr/local alone, whatever PREFIX is.
USUAL = $(filter /usr /usr/local,$(PREFIX))
FOUND_LIB = $(if $(USUAL),$(LIBDIR),/usr/local/lib)
FOUND_DATA = $(if $(USUAL),$(DATADIR),/usr/local/share)
UNITS = $(FOUND_LIB)/systemd/system
DROP_INS = $(UNITS)/calcd.service.d $(UNITS)/calcd@.service.d
DROP_IN_FILES = $(foreach folder,$(DROP_INS),$(folder)/prefix.conf $(folder)/10-restart.conf)
# What is installed as it is; instance.sed makes calcd@.service of calcd.service.
UNIT_FILES = calcd.socket calcd-metrics.socket calcd-proxied.socket calcd@.socket calcd.target
SYSUSERS = $(FOUND_LIB)/sysusers.d
TMPFILES = $(FOUND_LIB)/tmpfiles.d
# What the sandbox of the service, which sees /usr, would not see; symbolic links in /usr can lead out of it.
REAL = $(addprefix /,$(shell realpath -m --relative-to='$(DESTDIR)/' '$(DESTDIR)$(1)'))
HIDDEN = $(filter-out /usr/%,$(foreach path,$(BINDIR)/calcd $(PACKAGE),\
         $(if $(filter /usr/%,$(path)),$(call REAL,$(path)),$(path))))
DOC = $(DATADIR)/doc/calcd
DOCS = README.md CHANGELOG.md LICENSE SECURITY.md docs/architecture.md docs/client.md docs/containers.md docs/faults.md \
       docs/monitoring.md docs/performance.md docs/scaling.md docs/security.md \
       $(wildcard docs/*.svg docs/benchmarks/*)
EXAMPLES = $(wildcard packaging/examples/*/* packaging/container/*)
MAN = $(FOUND_DATA)/man
CONF = $(SYSCONFDIR)/calcd/calcd.conf
MANUALS = $(patsubst packaging/man/%.in,%,$(wildcard packaging/man/*.in))
BASH_COMPLETIONS = $(FOUND_DATA)/bash-completion/completions
# Debian's zsh looks into no other folder of /usr/local.
ZSH_COMPLETIONS = $(FOUND_DATA)/zsh/$(if $(filter /usr/local%,$(FOUND_DATA)),site-functions,vendor-completions)
# Debian's fish looks into no folder of /usr/local.
FISH_COMPLETIONS = $(if $(filter /usr/local%,$(FOUND_DATA)),$(SYSCONFDIR)/fish/completions,$(FOUND_DATA)/fish/vendor_completions.d)
CATALOG = $(FOUND_LIB)/systemd/catalog
GENERATED = build/generated

GENERATE = PYTHONPATH=. $(PYTHON) -B packaging/generate.py $(GENERATED)
SAMPLE = $(PYTHON) -B -c 'from calcd.settings import writing; print(writing.sample(), end="")'
PROGRAM = sed 's|/usr/bin/calcd|$(BINDIR)/calcd|'
SCRIPT = sed 's|@FOLDER@|$(PACKAGE)|; s|@MODULE@|$(1)|' packaging/launcher.in >$(2) && chmod 755 $(2)

# Only in the system that this is has the user to be created; and only with systemd running in it is
# there anything to start and stop.
HERE = [ -z "$(DESTDIR)" ]
LIVE = { [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; }

.PHONY: all help generate docs install uninstall check lint test fuzz soak bench clean

all: help

help:
	@echo 'make install    installs to PREFIX=$(PREFIX), below DESTDIR=$(DESTDIR)'
	@echo 'make uninstall  removes what make install has installed'
	@echo 'make generate   makes manual pages, completions and message catalog, in $(GENERATED)'
	@echo 'make docs       draws what has changed, into docs: the pictures in docs/pictures, which takes Graphviz, and'
	@echo '                the recording of calc-client, which takes python3-rich'
	@echo 'make check      runs all checks and tests, also on machines with systemd; as root (./check)'
	@echo 'make lint       checks style and types alone'
	@echo 'make test       runs tests/unit and tests/process, which need neither root nor a machine'
	@echo 'make deb        builds the Debian packages of what is committed, into build/deb'
	@echo 'make check-next  runs the tests that need no machine in Debian sid, made anew each day or by FRESH=1; as root'
	@echo 'make check-package  runs the tests of the Debian packages alone, on Debian 12 and 13; as root'
	@echo 'make release    commits and tags VERSION=x.y.z, with its changelogs, after ./check; CHECK= leaves that out'
	@echo 'make fuzz       fuzzes what clients can send, SECONDS=60 or RUNS= for each target; after ./check'
	@echo 'make soak       runs clients, faults and reloads together, SECONDS=600, and checks every answer'
	@echo 'make bench      measures calcd beside its peers, into docs/benchmarks, as root (30 minutes)'
	@echo 'make clean      removes the files that checks and tests have made'

# They are made of what the programs know about themselves: their settings, options and messages.
generate:
	$(GENERATE)

# Each drawing says of what source it is, so one that is up to date stays as it is: another version of Graphviz would
# draw it a little differently. tests/unit/test_pictures.py finds those that are not. The recording is drawn where
# calc-client prints something else by now, which tests/process/test_recording.py finds.
docs:
	@command -v dot >/dev/null || { \
	    echo 'dot, which draws the pictures, is missing: apt-get install graphviz' >&2; exit 1; }
	@mkdir -p build/pictures
	@for source in docs/pictures/*.dot; do \
	    name=$$(basename $$source .dot); drawing=docs/$$name.svg; new=build/pictures/$$name.svg; \
	    origin="<!-- sha256 of pictures/$$name.dot: $$(sha256sum <$$source | cut -d ' ' -f 1) -->"; \
	    ! grep -qsxF "$$origin" $$drawing || continue; \
	    { dot -Tsvg $$source && echo "$$origin"; } >$$new && mv $$new $$drawing && echo $$drawing || exit; done
	@$(TESTS) tests/recording/draw.py

# Before anything is written, or removed: which folders do not work, and why.
export DESTDIR PREFIX BINDIR LIBDIR DATADIR SYSCONFDIR SYSTEMD
fitting:
	@refuse() { echo "make: $$1: $$2" >&2; exit 1; }; \
	case $$DESTDIR in *[!A-Za-z0-9._+@:,~=/-]*) \
	    refuse "DESTDIR=$$DESTDIR" 'only letters, digits and ._+@:,~=/- work in it';; esac; \
	check_letters() { case $$2 in *[!A-Za-z0-9._+@,=/-]*) \
	    refuse "$$1" 'only letters, digits and ._+@,=/- work in it';; esac; }; \
	for name in PREFIX BINDIR LIBDIR DATADIR SYSCONFDIR; do \
	    eval "folder=\$$$$name"; setting=$$name=$$folder; \
	    check_letters "$$setting" "$$folder"; \
	    case $$folder/ in \
	    [!/]* | /) refuse "$$setting" 'a path has to begin with /';; \
	    *//* | */./* | */../*) refuse "$$setting" 'it ends with /, or has //, . or .. in it';; esac; \
	    real=/$$(realpath -m --relative-to="$$DESTDIR/" "$$DESTDIR$$folder") || exit; \
	    case $$real/ in /../*) refuse "$$setting" "a symbolic link in it leads out of DESTDIR=$$DESTDIR";; esac; \
	    case $$folder in "$$real") ;; /usr/*) \
	        folder=$$real; setting="$$setting, which is $$real"; check_letters "$$setting" "$$folder";; esac; \
	    case $$folder/ in /home/* | /root/* | /run/* | /tmp/* | /var/tmp/* | /dev/* | /proc/* | /sys/*) \
	        refuse "$$setting" 'the service does not see what is there (ProtectHome=, PrivateTmp=)';; esac; \
	done; \
	case $$SYSTEMD in *[!0-9]*) refuse "SYSTEMD=$$SYSTEMD" 'it has to be a number, such as 252';; esac

install-programs: fitting
	@$(PYTHON) -c 'import daemon, systemd' 2>/dev/null || { \
	    echo 'calcd needs two packages: apt-get install python3-daemon python3-systemd' >&2; exit 1; }
	@$(PYTHON) -c 'import seccomp' 2>/dev/null || \
	    echo 'Without python3-seccomp, no filter limits the system calls of handlers: apt-get install it' >&2
	rm -rf $(DESTDIR)$(PACKAGE)/calcd
	for module in $$(find calcd -name '*.py' -o -name py.typed); do \
	    install -D -p -m 644 $$module $(DESTDIR)$(PACKAGE)/$$module || exit; done
	$(PYTHON) -m compileall -q -s '$(DESTDIR)' $(DESTDIR)$(PACKAGE)/calcd
	install -d $(DESTDIR)$(BINDIR)
	$(call SCRIPT,calcd.launch.main,$(DESTDIR)$(BINDIR)/calcd)
	$(call SCRIPT,calcd.client.program.main,$(DESTDIR)$(BINDIR)/calc-client)

# What the Debian packages, whose programs pybuild installs, take from here.
install-files: fitting
	install -d $(DESTDIR)$(UNITS)
	$(PROGRAM) packaging/systemd/calcd.service >$(DESTDIR)$(UNITS)/calcd.service
	sed -f packaging/systemd/instance.sed packaging/systemd/calcd.service | $(PROGRAM) \
	    >$(DESTDIR)$(UNITS)/calcd@.service
	rm -f $(addprefix $(DESTDIR),$(DROP_IN_FILES))
	[ -z '$(HIDDEN)' ] || for folder in $(DROP_INS); do install -d $(DESTDIR)$$folder && printf '%s\n' \
	    '# The programs are not below /usr, which is what the service sees.' '[Service]' 'BindReadOnlyPaths=$(HIDDEN)' \
	    >$(DESTDIR)$$folder/prefix.conf || exit; done
	[ '$(or $(SYSTEMD),0)' -lt 254 ] || for folder in $(DROP_INS); do \
	    install -D -m 644 -t $(DESTDIR)$$folder packaging/systemd/calcd.service.d/10-restart.conf || exit; done
	install -m 644 $(addprefix packaging/systemd/,$(UNIT_FILES)) $(DESTDIR)$(UNITS)
	install -D -m 644 packaging/systemd/calcd.sysusers $(DESTDIR)$(SYSUSERS)/calcd.conf
	install -D -m 644 packaging/systemd/calcd.tmpfiles $(DESTDIR)$(TMPFILES)/calcd.conf
	for file in $(DOCS); do install -D -m 644 $$file $(DESTDIR)$(DOC)/$$file || exit; done
	for file in $(EXAMPLES); do install -D -m 644 $$file $(DESTDIR)$(DOC)/$${file#packaging/} || exit; done
	$(GENERATE)
	for manual in $(MANUALS); do \
	    install -D -m 644 -t $(DESTDIR)$(MAN)/man$${manual##*.} $(GENERATED)/man/$$manual || exit; done
	for program in calcd calc-client; do \
	    install -D -m 644 $(GENERATED)/completions/$$program.bash $(DESTDIR)$(BASH_COMPLETIONS)/$$program && \
	    install -D -m 644 -t $(DESTDIR)$(ZSH_COMPLETIONS) $(GENERATED)/completions/_$$program && \
	    install -D -m 644 -t $(DESTDIR)$(FISH_COMPLETIONS) $(GENERATED)/completions/$$program.fish || exit; done
	install -D -m 644 -t $(DESTDIR)$(CATALOG) $(GENERATED)/calcd.catalog
	install -d $(DESTDIR)$(SYSCONFDIR)/calcd
	[ -e $(DESTDIR)$(CONF) ] || $(SAMPLE) >$(DESTDIR)$(CONF)

.PHONY: fitting install-programs install-files
.NOTPARALLEL:
install: install-programs install-files
	@! $(HERE) || ! command -v systemd-sysusers >/dev/null || { \
	    systemd-sysusers $(SYSUSERS)/calcd.conf && systemd-tmpfiles --create $(TMPFILES)/calcd.conf; }
	@! $(HERE) || ! command -v journalctl >/dev/null || journalctl --update-catalog
	@[ -n '$(USUAL)' ] || echo 'The programs are in $(BINDIR), which PATH may not have; the units, manual pages and' \
	    'completions are in /usr/local, where they are found.'
	@! $(LIVE) || { systemctl daemon-reload && \
	    echo 'Next: systemctl enable --now calcd.socket calcd.service'; }

# Whatever is missing or fails, the rest is removed. A configuration that was changed is kept; the user is removed
# if it is the one that calcd.sysusers made.
uninstall: fitting
	@! $(LIVE) || for unit in calcd-metrics.socket calcd-proxied.socket calcd.service calcd.socket; do \
	    [ ! -e $(UNITS)/$$unit ] || systemctl --quiet disable --now $$unit || echo "not stopped: $$unit" >&2; done
	@# A template stands for all of its instances where units are disabled, and a pattern where they are stopped.
	@! $(LIVE) || [ ! -e $(UNITS)/calcd.target ] || { \
	    systemctl --quiet disable calcd@.service calcd@.socket calcd.target && \
	    systemctl stop 'calcd@*.socket' 'calcd@*.service' calcd.target; } || echo 'not stopped: instances' >&2
	@! $(HERE) || ! getent passwd calcd | grep -q ':Network calculator:' || userdel calcd || \
	    echo 'kept, for the reason above: the user calcd' >&2
	@# A calcd that was started by hand leaves the one, and systemd empty mount points in the other.
	@! $(HERE) || rm -rf --one-file-system /run/calcd /run/calcd-root || :
	rm -rf $(DESTDIR)$(PACKAGE)/calcd $(DESTDIR)$(DOC)
	rm -f $(DESTDIR)$(BINDIR)/calcd $(DESTDIR)$(BINDIR)/calc-client
	rm -f $(addprefix $(DESTDIR)$(UNITS)/,calcd.service calcd@.service $(UNIT_FILES))
	rm -f $(addprefix $(DESTDIR),$(DROP_IN_FILES))
	rm -f $(DESTDIR)$(SYSUSERS)/calcd.conf $(DESTDIR)$(TMPFILES)/calcd.conf
	for manual in $(MANUALS); do rm -f $(DESTDIR)$(MAN)/man$${manual##*.}/$$manual; done
	for program in calcd calc-client; do \
	    rm -f $(DESTDIR)$(BASH_COMPLETIONS)/$$program $(DESTDIR)$(ZSH_COMPLETIONS)/_$$program \
	        $(DESTDIR)$(FISH_COMPLETIONS)/$$program.fish; done
	rm -f $(DESTDIR)$(CATALOG)/calcd.catalog
	@! $(HERE) || ! command -v journalctl >/dev/null || journalctl --update-catalog || \
	    echo 'kept, for the reason above: calcd in the catalog of the journal' >&2
	@if [ ! -e $(DESTDIR)$(CONF) ]; then :; \
	elif $(SAMPLE) | cmp -s - $(DESTDIR)$(CONF); then \
	    rm $(DESTDIR)$(CONF); \
	else echo 'kept, because it was changed: $(DESTDIR)$(CONF)'; fi
	@for folder in $(PACKAGE) $(SYSCONFDIR)/calcd $(DROP_INS) $(UNITS) $(CATALOG) $(dir $(UNITS)) $(SYSUSERS) $(TMPFILES) \
	    $(dir $(DOC)) $(addprefix $(MAN)/man,1 5 7 8) $(BASH_COMPLETIONS) $(dir $(BASH_COMPLETIONS)) \
	    $$(command -v zsh >/dev/null || echo $(ZSH_COMPLETIONS) $(dir $(ZSH_COMPLETIONS))) \
	    $$(command -v fish >/dev/null || echo $(FISH_COMPLETIONS) $(dir $(FISH_COMPLETIONS))) \
	    $(if $(USUAL),,$(BINDIR) $(LIBDIR) $(DATADIR) $(PREFIX)); do \
	    rmdir $(DESTDIR)$$folder 2>/dev/null || :; done  # those that were made for calcd alone, and are empty now
	@! $(LIVE) || systemctl daemon-reload || :

check:
	./check

.PHONY: check-next
FRESH =
check-next:
	@FRESH=$(FRESH) packaging/check-next

.PHONY: deb check-package
deb:
	packaging/make-deb

check-package:
	./check tests/package

# ./check needs root: who is not says CHECK='sudo ./check', and who has just run it CHECK= alone.
.PHONY: release
VERSION =
CHECK = ./check
release:
	@packaging/release "$$VERSION" $(CHECK)

lint:
	ruff check calcd packaging tests
	ruff format --check calcd packaging tests
	mypy --python-executable $(PYTHON)

# tests/faults needs root, for strace, rlimits and namespaces of its own. Two processes (pytest-xdist), because most
# tests wait for other processes most of the time.
test:
	$(PYTHON) -W error -m pytest -n 2 tests/unit tests/process

# What the tests' programs import.
TESTS = PYTHONPATH=.:tests $(PYTHON) -W error

fuzz:
	$(TESTS) tests/fuzz/run.py $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RUNS),--runs $(RUNS)) $(TARGETS)

soak:
	$(TESTS) tests/soak/run.py $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

bench:
	$(PYTHON) -W error tests/bench/run.py

clean:
	rm -rf --one-file-system build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find calcd tests -name __pycache__ -exec rm -rf {} +
