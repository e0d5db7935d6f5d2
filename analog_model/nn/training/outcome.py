"""Outcome of a run: final weights, judged by the test part, in its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from analog_model.nn.models import find_network
from analog_model.nn.training.accelerator import on_accelerator
from analog_model.nn.training.checkpoint import load_weights, save_arrays
from analog_model.nn.training.evaluation import confusion_matrix, test_inputs
from analog_model.nn.training.journal import Event
from analog_model.nn.training.record import record_of, save_record
from analog_model.nn.training.run import Run


def finish(run: Run, events: Sequence[Event], facts: Mapping[str, str]) -> xr.Dataset:
    """Keep the weights, judge them by the whole test part, write the record."""
    configuration, images, network = run.configuration, run.images, run.trainee.network
    if configuration.patience:
        network.load_state_dict(load_weights(run.directory.best))
    save_arrays(network.state_dict(), run.directory.weights)
    with on_accelerator(network):
        confusion = confusion_matrix(
            network,
            test_inputs(images, find_network(configuration.network)),
            images.test_labels,
            n_classes=len(images.class_names),
        )
    attrs = {
        **facts,
        "configuration": configuration.model_dump_json(),
        "network": configuration.network,
        "images": configuration.images,
        "mode": configuration.mode,
        "evaluated_on": "validation" if configuration.validation_per_class else "test",
        "title": f"{configuration.mode} training of {configuration.network}",
    }
    record = record_of(events, confusion=confusion, class_names=images.class_names, attrs=attrs)
    save_record(record, run.directory.record)
    return record
