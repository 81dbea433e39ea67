import type { Command } from "@commander-js/extra-typings";
import { addProjectActivate, addProjectDeactivate } from "./project-activate.ts";
import { addProjectCreate } from "./project-create.ts";
import { addProjectDelete } from "./project-delete.ts";
import { addProjectEvaluate } from "./project-evaluate.ts";
import { addProjectList } from "./project-list.ts";
import { addProjectShow } from "./project-show.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project ...`: what is built for organizations. */
export function addProject(program: Command, surroundings: Surroundings): void {
  const project = program
    .command("project")
    .description("projects; these commands work while the coordinator runs, too");
  addProjectList(project, surroundings);
  addProjectShow(project, surroundings);
  addProjectCreate(project, surroundings);
  addProjectEvaluate(project, surroundings);
  addProjectDeactivate(project, surroundings);
  addProjectActivate(project, surroundings);
  addProjectDelete(project, surroundings);
}
