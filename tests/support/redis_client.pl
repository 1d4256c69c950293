# Talks to calcd with Perl's Redis: redis_client.pl HOST:PORT. Dies at the first answer that is wrong.
use strict;
use warnings;
use Redis;

sub is {
    my ($got, $expected) = @_;
    $got eq $expected or die "got '$got' instead of '$expected'\n";
}

my $calcd = Redis->new(server => $ARGV[0], name => 'me', reconnect => 0);
is($calcd->client_getname, 'me');
is($calcd->add(2, 3), 5);
is($calcd->mul(2, 3, 7), 42);
is($calcd->add('9223372036854775807', 1), '9223372036854775808');
is($calcd->ping, 'PONG');
is($calcd->echo("a\r\nb"), "a\r\nb");
is($calcd->info->{redis_version}, '7.0.0');

# An error is an exception, and the connection goes on.
eval { $calcd->div(1, 0) };
$@ =~ /DIVBYZERO / or die "no error but '$@'\n";
eval { $calcd->get('k') };
$@ =~ /ERR unknown command 'get'/i or die "no error but '$@'\n";

# A pipeline: each reply goes to a function of its own.
my @replies;
for my $operand (1 .. 1000) {
    $calcd->add($operand, 1, sub { my ($reply, $error) = @_; push @replies, $error // $reply });
}
$calcd->wait_all_responses;
is("@replies", "@{[2 .. 1001]}");

# A transaction.
$calcd->watch('k');
$calcd->multi;
is($calcd->add(1, 1), 'QUEUED');
is($calcd->add(2, 2), 'QUEUED');
is(join(' ', $calcd->exec), '2 4');

$calcd->quit;
print "done\n";
