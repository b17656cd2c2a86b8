//! Tests that wait for what they expect, however long it takes: they run side by side.

#[path = "../programme/mod.rs"]
mod programme;
#[path = "../support/mod.rs"]
mod support;

mod a_full_disk_hides_no_part;
mod a_supervised_event_changes_its_tracks;
mod an_ended_event_settles;
mod an_upgrade_keeps_what_it_was_given;
mod child_processes_are_bound_and_known;
mod control_plane_is_a_hint;
mod discovery_reports_what_is_held;
mod docs_name_what_exists;
mod encoder_lives_are_lineages;
mod end_says_what_it_could_not_do;
mod log_never_ends_the_program;
mod nothing_on_disk_hurts_a_packager;
mod nothing_sent_hurts_a_server;
mod packager_goes_on_with_its_folder;
mod packager_holdings_delay_nobody;
mod packager_takes_only_whole_media;
mod parts_start_in_any_order;
mod reporter_answers_to_the_letter;
mod supervisor_keeps_the_system_alive;
mod up_refuses_before_it_starts;
mod watch_names_what_is_wrong;
mod whole_system_ends_and_begins;
mod worker_refuses_what_it_cannot_use;
