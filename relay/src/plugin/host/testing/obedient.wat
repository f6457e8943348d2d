;; A guest that does with each event what the first letter of the event's id asks for:
;;   t  traps                          l  loops for ever
;;   m  takes memory until refused     w  answers with one verdict less
;;   n  publishes 65 messages          h  publishes 64 messages that share one body of 1 MiB
;;   e  publishes no message           u  discards for a reason that is no text
;;   p  publishes its event unchanged  s  publishes two messages of one slot
;;   o  publishes a body of 5 MiB      g  writes 100 lines into the log
;;   c  discards, with the clock's microseconds in eight bytes of reason
;;   i  discards, with how many events this instance has seen as one digit, 9 for more
;;   r  calls itself until the stack ends
;;   x  leaves this instance such that
;;   y  traps, and without it discards like every other
;;   k  discards, with the value of its id in the lookup table "test", "none", or why there is none
;;   j  asks for that value 1000 times
;;   z  asks for 8000 values at once
;;   q  counts one more of "test"
;;   v  counts one more of "test" and traps
;;   f  discards, with the value of its first header as the relay tells it
;;   9  asks for the headers of the ninth event behind it
;; and discards every other event for the reason "test".
;;
;; A configuration of "trap" traps, one of "loop" loops, one of "headers" asks for those of an event, one of "problem" is
;; refused at /a.
(module
  (import "relay:plugin/batch@0.1.0" "headers-of" (func $headers_of (param i32 i32)))
  (import "relay:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "relay:plugin/metrics@0.1.0" "add-counter" (func $count (param i32 i32 i64 i32 i32)))
  (import "relay:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32 i32 i32)))
  (import "relay:plugin/kv@0.1.0" "get-many" (func $get_many (param i32 i32 i32 i32 i32)))
  (import "relay:plugin/clock@0.1.0" "now" (func $now (result i64)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 65536))
  (global $seen (mut i32) (i32.const 0))
  (global $missing (mut i32) (i32.const 0))
  (global $spoiled (mut i32) (i32.const 0))

  (data (i32.const 100) "test")
  (data (i32.const 110) "0.9.1")
  (data (i32.const 120) "/a")
  (data (i32.const 130) "\ff\fe")
  (data (i32.const 140) "none")
  (data (i32.const 145) "large")
  ;; The description: name, version, summary, and a schema.
  (data (i32.const 200) "\64\00\00\00\04\00\00\00\6e\00\00\00\05\00\00\00\64\00\00\00\04\00\00\00\01\00\00\00\64\00\00\00\04\00\00\00")
  ;; The answer of a refused `configure`, and its one problem.
  (data (i32.const 300) "\01\00\00\00\40\01\00\00\01\00\00\00")
  (data (i32.const 320) "\78\00\00\00\02\00\00\00\64\00\00\00\04\00\00\00")

  (func $allocate (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $start) (local.get $size)))
    (block $enough
      (loop $grow
        (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
        unreachable))
    (local.get $start))

  (func $zeroed (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
    (memory.fill (local.get $start) (i32.const 0) (local.get $size))
    (local.get $start))

  (func (export "relay:plugin/transform@0.1.0#describe") (result i32)
    (i32.const 200))

  ;; Where the headers of an event lie: pairs of a name and a value.
  (func $headers (param $index i32) (result i32)
    (local $list i32)
    (local.set $list (call $zeroed (i32.const 8)))
    (call $headers_of (local.get $index) (local.get $list))
    (i32.load (local.get $list)))

  (func $configure_loops (loop $ever (br $ever)))

  (func $configure_traps unreachable)

  (func (export "relay:plugin/transform@0.1.0#configure") (param $text i32) (param $length i32) (result i32)
    (local $letter i32)
    (local.set $letter (i32.load8_u offset=1 (local.get $text)))
    (if (i32.eq (local.get $letter) (i32.const 0x74)) (then (call $configure_traps)))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (call $configure_loops)))
    (if (i32.eq (local.get $letter) (i32.const 0x68)) (then (drop (call $headers (i32.const 0)))))
    (if (result i32) (i32.eq (local.get $letter) (i32.const 0x70))
      (then (i32.const 300))
      (else (i32.const 400))))

  (func $trap_as_asked unreachable)

  (func $recurse (call $recurse) (call $chatter))

  (func $take_memory
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable)

  (func $publish (param $verdict i32) (param $messages i32) (param $count i32)
    (i32.store (local.get $verdict) (i32.const 0))
    (i32.store offset=8 (local.get $verdict) (local.get $messages))
    (i32.store offset=12 (local.get $verdict) (local.get $count)))

  (func $discard (param $verdict i32) (param $reason i32) (param $length i32)
    (i32.store (local.get $verdict) (i32.const 1))
    (i32.store offset=8 (local.get $verdict) (local.get $reason))
    (i32.store offset=12 (local.get $verdict) (local.get $length)))

  (func $publish_with_body (param $verdict i32) (param $count i32) (param $length i32)
    (local $messages i32) (local $message i32) (local $body i32) (local $left i32)
    (local.set $messages (call $zeroed (i32.mul (local.get $count) (i32.const 112))))
    (local.set $body (call $zeroed (local.get $length)))
    (local.set $message (local.get $messages))
    (local.set $left (local.get $count))
    (loop $next
      (i32.store offset=84 (local.get $message) (i32.const 2))
      (i32.store offset=88 (local.get $message) (local.get $body))
      (i32.store offset=92 (local.get $message) (local.get $length))
      (local.set $message (i32.add (local.get $message) (i32.const 112)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (call $publish (local.get $verdict) (local.get $messages) (local.get $count)))

  (func $publish_two_of_one_slot (param $verdict i32)
    (local $messages i32)
    (local.set $messages (call $zeroed (i32.const 224)))
    (i32.store (local.get $messages) (i32.const 1))
    (i32.store offset=4 (local.get $messages) (i32.const 100))
    (i32.store offset=8 (local.get $messages) (i32.const 4))
    (memory.copy (i32.add (local.get $messages) (i32.const 112)) (local.get $messages) (i32.const 112))
    (call $publish (local.get $verdict) (local.get $messages) (i32.const 2)))

  (func $tell_time (param $verdict i32)
    (local $text i32) (local $micros i64) (local $left i32)
    (local.set $text (call $zeroed (i32.const 16)))
    (local.set $micros (call $now))
    (local.set $left (i32.const 16))
    (loop $digit
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (i32.store8 (i32.add (local.get $text) (local.get $left))
        (i32.add (i32.const 0x30) (i32.wrap_i64 (i64.rem_u (local.get $micros) (i64.const 10)))))
      (local.set $micros (i64.div_u (local.get $micros) (i64.const 10)))
      (br_if $digit (local.get $left)))
    (call $discard (local.get $verdict) (local.get $text) (i32.const 16)))

  (func $tell_seen (param $verdict i32)
    (local $text i32)
    (local.set $text (call $zeroed (i32.const 1)))
    (i32.store8 (local.get $text) (i32.add (i32.const 0x30)
      (select (global.get $seen) (i32.const 9) (i32.lt_u (global.get $seen) (i32.const 9)))))
    (call $discard (local.get $verdict) (local.get $text) (i32.const 1)))

  (func $chatter
    (local $left i32)
    (local.set $left (i32.const 100))
    (loop $line
      (call $log (i32.const 2) (i32.const 100) (i32.const 4))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $line (local.get $left))))

  ;; The answer of `get`: ok or error, then none or some bytes, or a kind of error and its text.
  (func $ask (param $event i32) (result i32)
    (local $answer i32)
    (local.set $answer (call $zeroed (i32.const 24)))
    (call $get (i32.const 100) (i32.const 4) (i32.load (local.get $event)) (i32.load offset=4 (local.get $event))
      (local.get $answer))
    (local.get $answer))

  (func $look_up (param $event i32) (param $verdict i32)
    (local $answer i32)
    (local.set $answer (call $ask (local.get $event)))
    (if (i32.load8_u (local.get $answer))
      (then
        (if (i32.eq (i32.load8_u offset=8 (local.get $answer)) (i32.const 2))
          (then (call $discard (local.get $verdict) (i32.const 145) (i32.const 5)))
          (else (call $discard (local.get $verdict) (i32.load offset=16 (local.get $answer))
            (i32.load offset=20 (local.get $answer))))))
      (else
        (if (i32.load8_u offset=8 (local.get $answer))
          (then (call $discard (local.get $verdict) (i32.load offset=12 (local.get $answer))
            (i32.load offset=16 (local.get $answer))))
          (else (call $discard (local.get $verdict) (i32.const 140) (i32.const 4)))))))

  (func $ask_and_ask (param $event i32)
    (local $left i32)
    (local.set $left (i32.const 1000))
    (loop $again
      (drop (call $ask (local.get $event)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left))))

  ;; Asks for as many keys as its memory has room for, all of them the empty text.
  (func $ask_for_many
    (call $get_many (i32.const 100) (i32.const 4) (i32.const 1024) (i32.const 8000) (call $zeroed (i32.const 24))))

  (func $count_one (call $count (i32.const 100) (i32.const 4) (i64.const 1) (i32.const 0) (i32.const 0)))

  (func $tell_header (param $index i32) (param $verdict i32)
    (local $headers i32)
    (local.set $headers (call $headers (local.get $index)))
    (call $discard (local.get $verdict) (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))))

  (func $obey (param $index i32) (param $event i32) (param $verdict i32)
    (local $letter i32)
    (local.set $letter (i32.load8_u (i32.load (local.get $event))))
    (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
    (call $discard (local.get $verdict) (i32.const 100) (i32.const 4))
    (if (i32.eq (local.get $letter) (i32.const 0x74)) (then (call $trap_as_asked)))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (call $configure_loops)))
    (if (i32.eq (local.get $letter) (i32.const 0x6d)) (then (call $take_memory)))
    (if (i32.eq (local.get $letter) (i32.const 0x77)) (then (global.set $missing (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 0x6e))
      (then (call $publish (local.get $verdict) (call $zeroed (i32.const 7280)) (i32.const 65))))
    (if (i32.eq (local.get $letter) (i32.const 0x68))
      (then (call $publish_with_body (local.get $verdict) (i32.const 64) (i32.const 1048576))))
    (if (i32.eq (local.get $letter) (i32.const 0x65))
      (then (call $publish (local.get $verdict) (i32.const 8) (i32.const 0))))
    (if (i32.eq (local.get $letter) (i32.const 0x75))
      (then (call $discard (local.get $verdict) (i32.const 130) (i32.const 2))))
    (if (i32.eq (local.get $letter) (i32.const 0x70))
      (then (call $publish (local.get $verdict) (call $zeroed (i32.const 112)) (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 0x73)) (then (call $publish_two_of_one_slot (local.get $verdict))))
    (if (i32.eq (local.get $letter) (i32.const 0x6f))
      (then (call $publish_with_body (local.get $verdict) (i32.const 1) (i32.const 5242880))))
    (if (i32.eq (local.get $letter) (i32.const 0x67)) (then (call $chatter)))
    (if (i32.eq (local.get $letter) (i32.const 0x72)) (then (call $recurse)))
    (if (i32.eq (local.get $letter) (i32.const 0x78)) (then (global.set $spoiled (i32.const 1))))
    (if (i32.and (i32.eq (local.get $letter) (i32.const 0x79)) (global.get $spoiled))
      (then (call $trap_as_asked)))
    (if (i32.eq (local.get $letter) (i32.const 0x6b)) (then (call $look_up (local.get $event) (local.get $verdict))))
    (if (i32.eq (local.get $letter) (i32.const 0x6a)) (then (call $ask_and_ask (local.get $event))))
    (if (i32.eq (local.get $letter) (i32.const 0x71)) (then (call $count_one)))
    (if (i32.eq (local.get $letter) (i32.const 0x76)) (then (call $count_one) (call $trap_as_asked)))
    (if (i32.eq (local.get $letter) (i32.const 0x7a)) (then (call $ask_for_many)))
    (if (i32.eq (local.get $letter) (i32.const 0x66)) (then (call $tell_header (local.get $index) (local.get $verdict))))
    (if (i32.eq (local.get $letter) (i32.const 0x39))
      (then (drop (call $headers (i32.add (local.get $index) (i32.const 9))))))
    (if (i32.eq (local.get $letter) (i32.const 0x63)) (then (call $tell_time (local.get $verdict))))
    (if (i32.eq (local.get $letter) (i32.const 0x69)) (then (call $tell_seen (local.get $verdict)))))

  (func (export "relay:plugin/transform@0.1.0#transform") (param $events i32) (param $count i32) (result i32)
    (local $verdicts i32) (local $answer i32) (local $index i32)
    (local.set $verdicts (call $zeroed (i32.mul (local.get $count) (i32.const 32))))
    (loop $next
      (call $obey
        (local.get $index)
        (i32.add (local.get $events) (i32.mul (local.get $index) (i32.const 80)))
        (i32.add (local.get $verdicts) (i32.mul (local.get $index) (i32.const 32))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (local.get $count))))
    (local.set $answer (call $zeroed (i32.const 8)))
    (i32.store (local.get $answer) (local.get $verdicts))
    (i32.store offset=4 (local.get $answer) (i32.sub (local.get $count) (global.get $missing)))
    (global.set $missing (i32.const 0))
    (local.get $answer))

  (func (export "cabi_post_relay:plugin/transform@0.1.0#transform") (param i32)
    (global.set $top (i32.const 65536))))
