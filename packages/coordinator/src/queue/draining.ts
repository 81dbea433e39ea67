/** Whether nothing new is given out, so that the coordinator can be stopped. A start forgets it. */
export class Draining {
  isOn = false;
}
