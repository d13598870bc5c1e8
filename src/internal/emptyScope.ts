/**
 * A scope that weighs next to nothing until something is put into it. One thing that it closes it keeps as it is; for whoever wants more of it, it becomes one of
 * Effect's own.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import type * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"

/** What can be closed with a scope. */
interface Closeable {
  readonly close: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

interface Keeping {
  readonly keep: (closeable: Closeable) => Effect.Effect<void>
}

export const EmptyScope: new () => Scope.CloseableScope & Keeping = /* @__PURE__ */ (() =>
  class implements Scope.CloseableScope {
    #content: Closeable | undefined = undefined

    private get whole(): Scope.CloseableScope {
      const first = this.#content
      if (first !== undefined && Scope.CloseableScopeTypeId in first) return first as unknown as Scope.CloseableScope
      const scope = Effect.runSync(Scope.make())
      this.#content = scope as unknown as Closeable
      if (first !== undefined) Effect.runSync(closeWith(scope, first))
      return scope
    }

    keep(closeable: Closeable): Effect.Effect<void> {
      return Effect.suspend(() => {
        if (this.#content !== undefined) return closeWith(this.whole, closeable)
        this.#content = closeable
        return Effect.void
      })
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
      return Effect.suspend(() => Scope.addFinalizerExit(this.whole, finalizer))
    }
    fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
      return Effect.suspend(() => Scope.fork(this.whole, strategy))
    }
    close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
      return Effect.suspend(() => Scope.close(this.whole, exit))
    }
  })()

/** Closes something with a scope: an empty one needs no finalizer for it. */
export const closeWith = (scope: Scope.Scope, closeable: Closeable): Effect.Effect<void> =>
  scope instanceof EmptyScope ? scope.keep(closeable) : Scope.addFinalizerExit(scope, (exit) => closeable.close(exit))
