/**
 * A scope that weighs next to nothing until something is put into it. One finalizer it keeps as it is; with the second, or for whoever wants more of it, it
 * becomes one of Effect's own.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import type * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"

export const EmptyScope: new () => Scope.CloseableScope = class implements Scope.CloseableScope {
  #content: Scope.Scope.Finalizer | Scope.CloseableScope | undefined = undefined

  private get whole(): Scope.CloseableScope {
    const first = this.#content
    if (typeof first === "object") return first
    const scope = (this.#content = Effect.runSync(Scope.make()))
    if (first !== undefined) Effect.runSync(Scope.addFinalizerExit(scope, first))
    return scope
  }

  get [Scope.ScopeTypeId](): typeof Scope.ScopeTypeId {
    return Scope.ScopeTypeId
  }
  get [Scope.CloseableScopeTypeId](): typeof Scope.CloseableScopeTypeId {
    return Scope.CloseableScopeTypeId
  }
  get strategy() {
    return ExecutionStrategy.sequential
  }
  pipe() {
    return pipeArguments(this, arguments)
  }

  // What Effect asks of its scopes, beside what it says in its types; `state` by `Effect.forkIn`.
  get state() {
    return (this.whole as any).state
  }
  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#content !== undefined) return Scope.addFinalizerExit(this.whole, finalizer)
      this.#content = finalizer
      return Effect.void
    })
  }
  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.suspend(() => Scope.fork(this.whole, strategy))
  }
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => Scope.close(this.whole, exit))
  }
}
