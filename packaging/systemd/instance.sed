# Makes calcd@.service of calcd.service at the installation, so that an instance is what the service is, protection
# included, and neither can change without the other. What differs is where things are.

s/^Description=.*/& %i/
s/calcd\.socket/calcd@%i.socket/
/^Documentation=/a\
\
# systemctl stop and restart of calcd.target are for all instances that run.\
PartOf=calcd.target

# Not /run/calcd-%i, which for an instance "root" would be the root directory of all, and not in /run/calcd, which
# calcd.socket removes.
s#^Exec[A-Za-z]*=/usr/bin/calcd#& --config /etc/calcd/%i.conf --pidfile /run/calcd@%i/calcd.pid#
s#^PIDFile=/run/calcd/#PIDFile=/run/calcd@%i/#
s#^RuntimeDirectory=calcd$#RuntimeDirectory=calcd@%i#
s#^\(NoExecPaths=.*+/run/calcd\) #\1@%i #

# The socket of an instance is outside of this directory.
/^# The directory outlives the service/,/^$/d

s/^WantedBy=.*/& calcd.target/
