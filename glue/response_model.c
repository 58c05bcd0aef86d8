#include "response_model.h"

PyObject *hfa_response_model_validate(const struct hfa_run *run, PyObject *value)
{
    const struct hfa_plan *plan = run->plan;
    const struct hfa_hooks *hooks = &run->application->hooks;
    PyObject *args[] = {NULL, value, Py_True};

    PyObject *validated =
        PyObject_Vectorcall(plan->response_validate, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                            run->application->state->from_attributes_kwnames);
    if (validated != NULL || !PyErr_ExceptionMatches(hooks->validation_error))
        return validated;
    PyObject *invalid = hfa_take_exception();
    PyObject *method = hfa_run_method(run);
    PyObject *root_path = method == NULL ? NULL : hfa_run_root_path(run);
    PyObject *exception = root_path == NULL
                              ? NULL
                              : PyObject_CallFunctionObjArgs(hooks->response_error, invalid, value,
                                                             plan->info, method, root_path, NULL);
    Py_XDECREF(method);
    Py_XDECREF(root_path);
    Py_DECREF(invalid);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return NULL;
}

PyObject *hfa_response_model_json(const struct hfa_plan *plan, PyObject *value)
{
    Py_ssize_t count = PyTuple_GET_SIZE(plan->to_json_values);
    PyObject *args[20];

    if (count + 2 > (Py_ssize_t)(sizeof(args) / sizeof(args[0]))) {
        PyErr_SetString(PyExc_SystemError, "too many options of a response model");
        return NULL;
    }
    args[1] = value;
    for (Py_ssize_t i = 0; i < count; i++)
        args[2 + i] = PyTuple_GET_ITEM(plan->to_json_values, i);
    PyObject *json = PyObject_Vectorcall(plan->to_json, args + 1,
                                         1 | PY_VECTORCALL_ARGUMENTS_OFFSET, plan->to_json_kwnames);
    if (json != NULL && !PyBytes_CheckExact(json)) {
        PyErr_SetString(PyExc_TypeError, "to_json() has to give bytes");
        Py_CLEAR(json);
    }
    return json;
}
