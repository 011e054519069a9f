# SPDX-License-Identifier: MIT OR Apache-2.0
# The hands of who sits before gscriptor: perl -I. -MHands gscriptor. The program itself is as it was; when it waits for its user, these choose from its menus and
# read what it shows.
package Hands;
use strict;
use warnings;
use Glib;
use Gtk3;

sub inside { my $widget = shift; return ($widget, $widget->isa('Gtk3::Container') ? map { inside($_) } $widget->get_children : ()); }
sub all { my $kind = shift; return grep { $_->isa($kind) } map { inside($_) } Gtk3::Window::list_toplevels(); }

sub choose {
    my ($menu, $entry) = @_;
    my ($open) = grep { ($_->get_label // '') eq $menu } map { $_->get_children } all('Gtk3::MenuBar');
    my ($item) = grep { ($_->get_label // '') eq $entry } $open->get_submenu->get_children;
    $item->activate;
    Gtk3::main_iteration() while Gtk3::events_pending();
}

sub shown {
    print "status: $_\n" for grep { $_ } map { $_->get_text } all('Gtk3::Entry');
    for my $view (all('Gtk3::TextView')) {
        my $text = $view->get_buffer;
        print $text->get_text($text->get_start_iter, $text->get_end_iter, 1), "\n" unless $view->get_editable;
    }
}

Glib::Timeout->add(500, sub {
    return 1 unless all('Gtk3::MenuBar');
    choose('R_eader', '_Connect');
    choose('Ru_n', '_Run Script');
    shown();
    choose('R_eader', 'Reco_nnect');
    choose('Ru_n', '_Run Script');
    choose('R_eader', '_Disconnect');
    shown();
    Gtk3->main_quit;
    return 0;
});
1;
