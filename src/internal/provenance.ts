/**
 * Which of several providers a token is of, kept with the token: its refresh token must not reach another one's server, not even after a restart.
 *
 * @module
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

interface Marked {
  readonly extra: Redacted.Redacted<Readonly<Record<string, unknown>>>
}

const member = "effect-credentials/of"

/** What a provider is called in a mark: the same after a restart. */
export const idOf = ({ key, name }: { readonly key: Option.Option<string>; readonly name: string }): string =>
  Option.getOrElse(key, () => name)

/** The innermost first: one of several may be of several itself. */
const marks = ({ extra }: Marked): ReadonlyArray<string> => {
  const members = Redacted.value(extra)
  const found = Object.hasOwn(members, member) ? members[member] : undefined
  return Array.isArray(found) ? found.filter((mark) => typeof mark === "string") : []
}

export const mark = <A extends Marked>(token: A, provider: string): A =>
  isOf(token, provider)
    ? token
    : { ...token, extra: Redacted.make({ ...Redacted.value(token.extra), [member]: [...marks(token), provider] }) }

export const isOf = (token: Marked, provider: string): boolean => marks(token).includes(provider)

/** Whether it is of one of several at all. */
export const isMarked = (token: Marked): boolean => marks(token).length > 0

/** Whether two tokens are of the same provider. */
export const isSame = (self: Marked, that: Marked): boolean =>
  JSON.stringify([...marks(self)].sort()) === JSON.stringify([...marks(that)].sort())
