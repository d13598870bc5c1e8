/**
 * Who works while nobody waits for it.
 *
 * @module
 */
import * as FiberRef from "effect/FiberRef"

/** Whether nobody waits for what this fiber does, so that it must not keep the program from ending. */
export const isUnattended: FiberRef.FiberRef<boolean> = /* @__PURE__ */ FiberRef.unsafeMake(false)
