//! One contract, every store.
//!
//! Each sentence of the port's contract is a function over a [`place::Place`], which opens stores on the same
//! data; the macro makes a test of it for every adapter. What only one database can show stands in its own file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these functions are bodies of tests")]

mod holding;
mod listing;
mod ownership;
mod place;
mod postgres;
mod requests;
mod sample;
mod sqlite;

/// Makes a test of each function for each store.
macro_rules! conform {
    ($($topic:ident: $($sentence:ident),+ $(,)?;)+) => {
        mod on_memory {
            $($(#[tokio::test] async fn $sentence() {
                super::$topic::$sentence(&super::place::Place::memory()).await;
            })+)+
        }
        mod on_sqlite {
            $($(#[tokio::test] async fn $sentence() {
                super::$topic::$sentence(&super::place::Place::sqlite().await).await;
            })+)+
        }
        mod on_postgres {
            $($(#[tokio::test] async fn $sentence() {
                super::$topic::$sentence(&super::place::Place::postgres().await).await;
            })+)+
        }
    };
}

conform! {
    ownership:
        a_new_lane_has_no_progress,
        progress_survives_a_reopen,
        a_settlement_without_a_position_leaves_it,
        an_older_owner_changes_nothing,
        an_older_owner_carries_out_no_request,
        of_two_that_settle_at_once_one_wins_whole,
        a_new_owner_learns_which_keys_are_held,
        lanes_do_not_share_events,
        a_lease_that_runs_keeps_others_away_until_it_is_given_back,
        a_lease_is_renewed_under_its_term_alone,
        a_process_takes_over_from_itself_and_from_a_term_known_to_be_gone,
        the_parts_of_a_lane_share_nothing_but_their_name,
        a_lane_that_is_divided_is_not_divided_otherwise,
        who_shares_a_lane_is_counted_while_it_says_so;
    holding:
        a_held_event_comes_back_byte_for_byte,
        a_parked_event_is_due_only_after_its_time,
        due_events_are_limited_and_in_outbox_order,
        due_events_are_limited_by_their_bytes_and_one_comes_whatever_its_size,
        the_next_of_a_key_moves_up_when_the_first_is_done,
        a_blocked_event_whose_key_is_free_is_due_at_once,
        a_key_never_has_two_parked_events,
        a_dead_letter_blocks_its_key,
        a_dead_letter_that_is_skipped_lets_its_key_pass,
        a_dead_letter_of_a_parked_key_takes_what_waits_behind_it,
        what_waits_before_a_dead_letter_of_a_parked_key_stays,
        an_event_that_failed_again_waits_with_what_it_learned,
        messages_that_are_not_rendered_again_stay,
        an_event_held_twice_keeps_its_first_row;
    requests:
        a_retry_request_parks_a_dead_letter_again,
        a_request_is_carried_out_once,
        dead_letters_of_a_key_are_sent_again_one_after_another,
        a_letter_behind_a_dead_one_waits_for_it,
        a_revived_letter_waits_behind_the_parked_event_of_its_key,
        a_dropped_letter_is_gone_and_its_key_goes_on,
        a_letter_to_transform_anew_forgets_its_messages,
        letters_are_chosen_by_their_age,
        what_came_of_a_request_is_told_from_its_beginning_to_its_end,
        a_request_never_means_letters_that_die_later,
        a_request_reaches_only_what_it_names;
    listing:
        counts_add_up,
        dead_letters_are_told_whole,
        each_filter_narrows_and_all_must_hold,
        pages_follow_outbox_order,
        what_is_held_of_an_event_is_told_with_what_it_waits_for;
}
