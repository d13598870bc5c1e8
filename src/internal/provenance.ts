/**
 * Which of several providers a token is of, kept with the token: its refresh token must not reach another one's server, not even after a restart.
 *
 * @module
 */
import * as Redacted from "effect/Redacted"

type Extra = Redacted.Redacted<Readonly<Record<string, unknown>>>

const member = "effect-credentials/of"

export const mark = <A extends { readonly extra: Extra }>(token: A, provider: string): A => ({
  ...token,
  extra: Redacted.make({ ...Redacted.value(token.extra), [member]: provider })
})

export const isOf = (token: { readonly extra: Extra }, provider: string): boolean =>
  Object.hasOwn(Redacted.value(token.extra), member) && Redacted.value(token.extra)[member] === provider
