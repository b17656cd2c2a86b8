//! Tests that measure time, though little else: two of them have room beside each other.

#[path = "../programme/mod.rs"]
mod programme;
#[path = "../support/mod.rs"]
mod support;

mod a_cache_in_front_asks_once;
mod a_restarted_origin_is_its_peer;
mod an_era_begins_everywhere_at_one_number;
mod an_origin_that_is_cut_off_is_left;
mod bad_content_gives_way;
mod encoders_that_differ;
mod every_rate_and_codec_joins;
mod registry_loss_is_mended_within_two_seconds;
mod slow_sink_delays_nobody;
