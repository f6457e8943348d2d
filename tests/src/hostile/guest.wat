;; A guest that is hostile to events whose type begins with `h` and publishes every other event unchanged, by the
;; pipeline's own route. The words in capitals stand for what a test makes it do.
(module
  (import "relay:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (memory $memory (export "memory") 4)
  (table $table 1 funcref)
  (global $top (mut i32) (i32.const 131072))
  (global $count (mut i32) (i32.const 0))

  (data (i32.const 100) "test")
  (data (i32.const 130) "\ff\fe")
  (data (i32.const 140) "x-\0ainjected")
  (data (i32.const 160) "/admin")
  ;; The description: name, version, summary, and a schema, so that any configuration is taken.
  (data (i32.const 200) "\64\00\00\00\04\00\00\00\64\00\00\00\04\00\00\00\64\00\00\00\04\00\00\00\01\00\00\00\64\00\00\00\04\00\00\00")

  (func $allocate (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $start) (local.get $size)))
    (block $enough
      (loop $grow
        (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size $memory) (i32.const 65536))))
        (br_if $grow (i32.ne (memory.grow $memory (i32.const 1)) (i32.const -1)))
        unreachable))
    (local.get $start))

  (func $zeroed (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
    (memory.fill $memory (local.get $start) (i32.const 0) (local.get $size))
    (local.get $start))

  (func $list (param $place i32) (param $start i32) (param $length i32)
    (i32.store (local.get $place) (local.get $start))
    (i32.store offset=4 (local.get $place) (local.get $length)))

  ;; Answers with `count` messages and returns where they are; each is 112 bytes of zeros: the event, unchanged.
  (func $publish (param $verdict i32) (param $count i32) (result i32)
    (local $messages i32)
    (local.set $messages (call $zeroed (i32.mul (local.get $count) (i32.const 112))))
    (i32.store (local.get $verdict) (i32.const 0))
    (call $list (i32.add (local.get $verdict) (i32.const 8)) (local.get $messages) (local.get $count))
    (local.get $messages))

  (func $discard (param $verdict i32) (param $reason i32) (param $length i32)
    (i32.store (local.get $verdict) (i32.const 1))
    (call $list (i32.add (local.get $verdict) (i32.const 8)) (local.get $reason) (local.get $length)))

  (func (export "relay:plugin/transform@0.1.0#describe") (result i32) (i32.const 200))

  (func (export "relay:plugin/transform@0.1.0#configure") (param i32 i32) (result i32)
    (call $configure)
    (i32.const 400))

  (func (export "relay:plugin/transform@0.1.0#transform") (param $events i32) (param $length i32) (result i32)
    (local $verdicts i32) (local $answer i32) (local $index i32) (local $event i32) (local $verdict i32)
    (global.set $count (local.get $length))
    ;; With room for one verdict too many.
    (local.set $verdicts (call $zeroed (i32.mul (i32.add (local.get $length) (i32.const 1)) (i32.const 32))))
    (loop $next
      (local.set $event (i32.add (local.get $events) (i32.mul (local.get $index) (i32.const 80))))
      (local.set $verdict (i32.add (local.get $verdicts) (i32.mul (local.get $index) (i32.const 32))))
      (if (i32.eq (i32.load8_u (i32.load offset=32 (local.get $event))) (i32.const 0x68))
        (then (call $hostile (local.get $verdict)))
        (else (drop (call $publish (local.get $verdict) (i32.const 1)))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (local.get $length))))
    (local.set $answer (call $zeroed (i32.const 8)))
    (call $list (local.get $answer) (local.get $verdicts) (global.get $count))
    (local.get $answer))

  (func (export "cabi_post_relay:plugin/transform@0.1.0#transform") (param i32)
    (global.set $top (i32.const 131072)))

  (func $configure ;; CONFIGURE
  )
  (func $hostile (param $verdict i32) (local $place i32) (local $left i32) ;; HOSTILE
  )
  ;; MORE
)
