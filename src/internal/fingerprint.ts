/**
 * What tells one secret from another without being it.
 *
 * @module
 */
import * as Redacted from "effect/Redacted"

/**
 * A few letters and digits, the same for the same secret.
 *
 * Web Crypto's hashes are asynchronous, and a key has to be known when a provider is made; so this is none of those: 53 bits of cyrb53. For what servers issue that is enough. Of the 128
 * bits or more of chance in it these say too little to guess the rest, and among a hundred thousand hardly two have the same. It is not for passwords, which could be tried one
 * after the other.
 */
export const fingerprint = (secret: Redacted.Redacted): string => {
  let [one, two] = [0xdeadbeef, 0x41c6ce57]
  for (const byte of new TextEncoder().encode(Redacted.value(secret))) {
    one = Math.imul(one ^ byte, 2654435761)
    two = Math.imul(two ^ byte, 1597334677)
  }
  const mixed = (self: number, other: number): number =>
    Math.imul(self ^ (self >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909)
  one = mixed(one, two)
  two = mixed(two, one)
  return ((two & 0x1fffff) * 2 ** 32 + (one >>> 0)).toString(36)
}
