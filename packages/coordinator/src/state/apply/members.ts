import {
  deleteMember,
  insertMember,
  listMembers,
  setMemberRole,
  type Realm,
} from "../../db/member-repository.ts";
import { creatorId, idOf, type Applying } from "./applying.ts";

interface Membered {
  readonly members: readonly { readonly user: string; readonly role: string }[];
  readonly created_by?: string | undefined;
}

/** Makes the members those of the file, or its creator alone when it names none. Tells whether anything changed. */
export async function applyMembers(
  applying: Applying,
  realm: Realm,
  entry: Membered,
): Promise<boolean> {
  const { db } = applying;
  const wanted = wantedMembers(applying, entry);
  const found = await listMembers(db, realm);
  let isChanged = false;
  for (const member of found) {
    const role = wanted.get(member.user_id);
    wanted.delete(member.user_id);
    if (role === member.role) continue;
    isChanged = true;
    if (role === undefined) await deleteMember(db, realm, member.user_id);
    else await setMemberRole(db, realm, { userId: member.user_id, role });
  }
  for (const [userId, role] of wanted) {
    isChanged = true;
    await insertMember(db, realm, { userId, role });
  }
  return isChanged;
}

/** The first one, to make it with. */
export function firstMember(applying: Applying, entry: Membered): { userId: string; role: string } {
  const [first] = wantedMembers(applying, entry);
  if (first === undefined) throw new Error("there is always a member");
  return { userId: first[0], role: first[1] };
}

function wantedMembers(applying: Applying, entry: Membered): Map<string, string> {
  if (entry.members.length === 0) return new Map([[creatorId(applying, entry), "Admin"]]);
  return new Map(entry.members.map(({ user, role }) => [idOf(applying.userIds, user), role]));
}
