;; A guest that uses what the relay offers: it publishes each event with its row of the lookup table "customers" as
;; body, unchanged where there is none, with the event's headers as its own and its first attribute as slot, logs the
;; source and counts it; an event whose type begins with `h` then traps, one of `a` goes to /orders
;; with the credential "crm", and one of `b` with "bank".
(module
  (import "relay:plugin/batch@0.1.0" "source" (func $source (param i32)))
  (import "relay:plugin/batch@0.1.0" "headers-of" (func $headers_of (param i32 i32)))
  (import "relay:plugin/batch@0.1.0" "attributes-of" (func $attributes_of (param i32 i32)))
  (import "relay:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "relay:plugin/clock@0.1.0" "now" (func $now (result i64)))
  (import "relay:plugin/kv@0.1.0" "get-many" (func $get_many (param i32 i32 i32 i32 i32)))
  (import "relay:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32 i32 i32)))
  (import "relay:plugin/metrics@0.1.0" "add-counter" (func $count (param i32 i32 i64 i32 i32)))
  (import "relay:plugin/metrics@0.1.0" "set-gauge" (func $set (param i32 i32 f64 i32 i32)))
  (import "relay:plugin/metrics@0.1.0" "record-histogram" (func $record (param i32 i32 f64 i32 i32)))
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 131072))

  (data (i32.const 100) "interfaces")
  (data (i32.const 120) "0.1.0")
  (data (i32.const 130) "customers")
  (data (i32.const 140) "events_total")
  (data (i32.const 244) "/orders")
  (data (i32.const 252) "crm")
  (data (i32.const 256) "bank")
  (data (i32.const 160) "kind")
  (data (i32.const 165) "order")
  (data (i32.const 170) "not-a-name")
  ;; One label: "kind" is "order".
  (data (i32.const 184) "\a0\00\00\00\04\00\00\00\a5\00\00\00\05\00\00\00")
  ;; The description: name, version, summary, and a schema, so that any configuration is taken.
  (data (i32.const 200) "\64\00\00\00\0a\00\00\00\78\00\00\00\05\00\00\00\64\00\00\00\0a\00\00\00\01\00\00\00\64\00\00\00\04\00\00\00")

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

  (func $list (param $place i32) (param $start i32) (param $length i32)
    (i32.store (local.get $place) (local.get $start))
    (i32.store offset=4 (local.get $place) (local.get $length)))

  (func (export "relay:plugin/transform@0.1.0#describe") (result i32) (i32.const 200))

  (func (export "relay:plugin/transform@0.1.0#configure") (param i32 i32) (result i32) (i32.const 400))

  (func $with_credential (param $message i32) (param $name i32) (param $length i32)
    (i32.store8 offset=24 (local.get $message) (i32.const 1))
    (i32.store8 offset=32 (local.get $message) (i32.const 2))
    (call $list (i32.add (local.get $message) (i32.const 40)) (i32.const 244) (i32.const 7))
    (i32.store8 offset=60 (local.get $message) (i32.const 1))
    (call $list (i32.add (local.get $message) (i32.const 64)) (local.get $name) (local.get $length)))

  ;; The headers of an event and those of a message lie in memory alike.
  (func $take_over (param $index i32) (param $message i32)
    (local $list i32)
    (local.set $list (call $zeroed (i32.const 8)))
    (call $source (local.get $list))
    (call $log (i32.const 2) (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)))
    (call $headers_of (local.get $index) (local.get $list))
    (call $list (i32.add (local.get $message) (i32.const 100))
      (i32.load (local.get $list)) (i32.load offset=4 (local.get $list)))
    (call $attributes_of (local.get $index) (local.get $list))
    (if (i32.load offset=4 (local.get $list))
      (then
        (i32.store8 (local.get $message) (i32.const 1))
        (call $list (i32.add (local.get $message) (i32.const 4))
          (i32.load offset=8 (i32.load (local.get $list))) (i32.load offset=12 (i32.load (local.get $list)))))))

  (func $answer (param $index i32) (param $event i32) (param $verdict i32)
    (local $message i32) (local $row i32) (local $rows i32)
    (call $log (i32.const 1) (i32.const 100) (i32.const 10))
    (if (i64.eqz (call $now)) (then unreachable))
    (call $count (i32.const 140) (i32.const 12) (i64.const 1) (i32.const 184) (i32.const 1))
    (call $count (i32.const 170) (i32.const 10) (i64.const 1) (i32.const 0) (i32.const 0))
    (call $set (i32.const 165) (i32.const 5) (f64.const 1.5) (i32.const 0) (i32.const 0))
    (call $record (i32.const 160) (i32.const 4) (f64.const 2.5) (i32.const 0) (i32.const 0))
    (if (i32.eq (i32.load8_u (i32.load offset=32 (local.get $event))) (i32.const 0x68)) (then unreachable))
    (local.set $message (call $zeroed (i32.const 112)))
    (call $list (i32.add (local.get $verdict) (i32.const 8)) (local.get $message) (i32.const 1))
    (call $take_over (local.get $index) (local.get $message))
    (if (i32.eq (i32.load8_u (i32.load offset=32 (local.get $event))) (i32.const 0x61))
      (then (call $with_credential (local.get $message) (i32.const 252) (i32.const 3))))
    (if (i32.eq (i32.load8_u (i32.load offset=32 (local.get $event))) (i32.const 0x62))
      (then (call $with_credential (local.get $message) (i32.const 256) (i32.const 4))))
    ;; Ok or not at 0, some or none at 8, the bytes at 12.
    (local.set $row (call $zeroed (i32.const 24)))
    (call $get (i32.const 130) (i32.const 9)
      (i32.load offset=24 (local.get $event)) (i32.load offset=28 (local.get $event)) (local.get $row))
    (if (i32.load8_u (local.get $row)) (then unreachable))
    ;; Both ways to ask give the same: as many answers as keys.
    (local.set $rows (call $zeroed (i32.const 24)))
    (call $get_many (i32.const 130) (i32.const 9) (i32.add (local.get $event) (i32.const 24)) (i32.const 1)
      (local.get $rows))
    (if (i32.load8_u (local.get $rows)) (then unreachable))
    (if (i32.ne (i32.load offset=12 (local.get $rows)) (i32.const 1)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.load offset=8 (local.get $rows))) (i32.load8_u offset=8 (local.get $row)))
      (then unreachable))
    (if (i32.load8_u offset=8 (local.get $row))
      (then
        (i32.store8 offset=84 (local.get $message) (i32.const 2))
        (call $list (i32.add (local.get $message) (i32.const 88))
          (i32.load offset=12 (local.get $row)) (i32.load offset=16 (local.get $row))))))

  (func (export "relay:plugin/transform@0.1.0#transform") (param $events i32) (param $length i32) (result i32)
    (local $verdicts i32) (local $answer i32) (local $index i32)
    (local.set $verdicts (call $zeroed (i32.mul (local.get $length) (i32.const 32))))
    (loop $next
      (call $answer
        (local.get $index)
        (i32.add (local.get $events) (i32.mul (local.get $index) (i32.const 80)))
        (i32.add (local.get $verdicts) (i32.mul (local.get $index) (i32.const 32))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (local.get $length))))
    (local.set $answer (call $zeroed (i32.const 8)))
    (call $list (local.get $answer) (local.get $verdicts) (local.get $length))
    (local.get $answer))

  (func (export "cabi_post_relay:plugin/transform@0.1.0#transform") (param i32)
    (global.set $top (i32.const 131072)))
)
