# Reads every .eml of a folder with Email::MIME and prints what a mail client would see, as JSON by file name.
use strict;
use warnings;
use Email::MIME;
use JSON::PP;

sub tree {
    my ($part) = @_;
    my ($type) = ($part->content_type // 'text/plain') =~ m{^\s*([^;\s]+)};
    return [lc $type, [$part->content_type =~ m{^multipart/}i ? map { tree($_) } $part->subparts : ()]];
}

sub mailboxes {
    my ($mail, $name) = @_;
    my @found = $mail->header_as_obj($name);
    return [map { [$_->phrase // '', $_->address] } map { $_->addresses } @found];
}

my ($folder) = @ARGV;
my %seen;
for my $path (glob "$folder/*.eml") {
    open my $file, '<:raw', $path or die "$path: $!";
    my $mail = Email::MIME->new(do { local $/; <$file> });
    my ($text, $html) = $mail->subparts;
    my ($name) = $path =~ m{([^/]+)$};
    $seen{$name} = {
        tree => tree($mail),
        subject => scalar $mail->header_str('Subject'),
        from => mailboxes($mail, 'From'),
        to => mailboxes($mail, 'To'),
        reply_to => mailboxes($mail, 'Reply-To'),
        message_id => scalar $mail->header_raw('Message-ID'),
        unsubscribe => scalar $mail->header_raw('List-Unsubscribe'),
        text => $text->body_str,
        html => $html->body_str,
    };
}
print JSON::PP->new->utf8->canonical->encode(\%seen);
